"""Typed keys of the objects that the handlers share through the application."""

from __future__ import annotations

from aiohttp import web

from emulator.api.agora import Agora
from emulator.api.gateway import Gateway

AGORA = web.AppKey("agora", Agora)
GATEWAY = web.AppKey("gateway", Gateway)
