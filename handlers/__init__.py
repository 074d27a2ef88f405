"""The doors of the service: HTTP in, one operation, HTTP out.

Everything here decodes, calls one operation and renders. No handler knows a client, the database or a setting; what a
caller may see is spelled out in `resources`, what a caller may send in `payloads`, every route in `routes`.
"""

from handlers.callbacks import build_callbacks
from handlers.keys import Limits
from handlers.routes import build_api

__all__ = ["Limits", "build_api", "build_callbacks"]
