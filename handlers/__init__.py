"""The HTTP layer of the service. It decodes a request, calls one operation and renders the result.

No handler uses a client, the database or a setting directly. `resources` defines what callers see, `payloads` what they
may send, and `routes` all routes.
"""

from handlers.callbacks import build_callbacks
from handlers.keys import Limits
from handlers.routes import build_api

__all__ = ["Limits", "build_api", "build_callbacks"]
