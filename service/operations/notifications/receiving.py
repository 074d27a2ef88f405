"""The intake of Agora's notifications. It checks the signature and stores each notification durably before the 200.

The worker parses and applies the notifications later.
"""

from collections.abc import Callable, Mapping

import structlog

from metrics import intake
from service.database.engine.database import Database
from service.database.notifications import stored as rows
from service.database.notifications.inbox import Inbox, incoming
from service.errors import Code, ServiceError
from service.notification import TEST_CNAME, parse_notice, verify_signature
from service.seldom import Seldom
from service.settings import App

_log = structlog.get_logger(__name__)


class Receiving:
    """Receives notifications. `wake` notifies the worker of new ones."""

    def __init__(
        self,
        apps: Mapping[str, App],
        database: Database,
        inbox: Inbox,
        wake: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._apps = apps
        self._database = database
        self._inbox = inbox
        self._wake = wake
        self._clock = clock
        self._repeated: set[tuple[str, int]] | None = None
        self._rejected = Seldom()

    async def receive(
        self, app: str, body: bytes, signature_v2: str | None, signature_v1: str | None, peer: str | None = None
    ) -> None:
        """Store one notification and return when it is durable (agora-reference §7). `peer` is the sender's address,
        for the log.

        Raise `ServiceError`: not_found (unknown app), unauthorized (signature), unavailable (not durable).
        """
        settings = self._apps.get(app)
        if settings is None:
            raise ServiceError(Code.NOT_FOUND, "no such app")
        if not self._signed(settings, body, signature_v2, signature_v1):
            intake.counted(None, "rejected")
            if (held_back := self._rejected.due(app)) is not None:
                _log.warning("notice_rejected", app=app, peer=peer, held_back=held_back)
            raise ServiceError(Code.UNAUTHORIZED, "the signature is not valid")
        notice = incoming(app, body, self._clock())
        stored = await self._inbox.put(notice)
        if self._repeated is not None and stored == "duplicate" and notice.cname == TEST_CNAME and notice.event_type:
            self._repeated.add((app, notice.event_type))
        self._wake()

    def _signed(self, app: App, body: bytes, signature_v2: str | None, signature_v1: str | None) -> bool:
        if not app.ncs_secrets:  # only an app during setup may lack secrets; it accepts only the console's Check
            notice = parse_notice(body) if app.setup else None
            return notice is not None and notice.cname == TEST_CNAME
        secrets = [secret.get() for secret in app.ncs_secrets]
        return verify_signature(body, signature_v2, signature_v1, secrets, accept_sha1=app.accept_sha1)

    async def expect_check(self) -> int:
        """Start counting the events of the console's Check. Return the number of the newest notification before it."""
        self._repeated = set()
        return await self._database.run(rows.newest_notice)

    async def checked_events(self, app: str, after: int) -> set[int]:
        """Return the event types that the Check has sent to this app since notification `after` (agora-reference §7.5).

        A Check that repeats the ids of an earlier one is not stored again, so duplicates that this process receives
        count too."""
        stored = await self._database.run(lambda connection: rows.tested_events(connection, app, after))
        return stored | {event for name, event in self._repeated or () if name == app}
