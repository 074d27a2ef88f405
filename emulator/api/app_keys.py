"""Typed keys of what lives in the application. For: sharing them between handlers; nothing else may be here."""

from __future__ import annotations

from aiohttp import web

from emulator.api.agora import Agora
from emulator.api.gateway import Gateway

AGORA = web.AppKey("agora", Agora)
GATEWAY = web.AppKey("gateway", Gateway)
