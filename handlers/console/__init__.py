"""The console: pages for people at `/console` of the API listener, rendered here, without a build or the internet.

It uses the operations that the API uses, so scopes and owners hold. Every page works without scripts; one small script
keeps lists and states up to date. It must not know the database, nor any rule that the API does not have.
"""

from handlers.console.app import build_console

__all__ = ["build_console"]
