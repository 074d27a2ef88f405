"""The console: pages for people at `/console` of the API listener, rendered here, without a build or Internet access.

It uses the API's operations, so scopes and owners apply. Every page works without scripts; one small script updates
lists and states. It does not use the database and has no rules beyond the API's.
"""

from handlers.console.app import build_console

__all__ = ["build_console"]
