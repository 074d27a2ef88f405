"""The gateway in front of Agora: credentials, app ids and the request limit (agora-reference §1.2, §1.4, §1.6).

It refuses calls before Agora receives them. It does not read bodies or use tasks.
"""

from __future__ import annotations

import base64
import binascii
import hmac

from aiohttp import web

from emulator.api.rate_limit import Pace
from emulator.settings import App, Settings


class GatewayRefusal(Exception):
    """A refusal whose body contains only `message`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Gateway:
    """Authenticates requests and limits their rate. Methods raise GatewayRefusal."""

    def __init__(self, settings: Settings) -> None:
        self._apps = {app.app_id: app for app in settings.apps}
        self._pace = Pace(settings.qps)
        self._per_account = settings.quirks.qps_scope == "account"

    def admit(self, request: web.Request, app_id: str, now: float) -> App:
        """Return the app of an authenticated request, and count the request against its limit."""
        customer = self.authenticate(request)
        app = self._apps.get(app_id)
        if app is None:
            raise GatewayRefusal(400, "appid is invalid")
        if app.customer_id != customer:
            raise GatewayRefusal(401, "Invalid authentication credentials")
        if not self._pace.admits(customer if self._per_account else app_id, now):
            raise GatewayRefusal(429, "API rate limit exceeded")
        return app

    def authenticate(self, request: web.Request) -> str:
        """Return the customer id whose secret the request contains."""
        header = request.headers.get("Authorization")
        if header is None:
            raise GatewayRefusal(401, "Unauthorized")
        customer, secret = _credentials(header)
        for app in self._apps.values():
            known = app.customer_secret.get_secret_value()
            if app.customer_id == customer and hmac.compare_digest(known.encode(), secret.encode()):
                return customer
        raise GatewayRefusal(401, "Invalid authentication credentials")


def _credentials(header: str) -> tuple[str, str]:
    """Return the customer id and secret of a Basic header, or empty strings if it is malformed."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        customer, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return customer, secret
