"""Typed keys of what lives in the application. For: sharing them between handlers; nothing else may be here."""

from __future__ import annotations

from aiohttp import web

from emulator.agora import Agora
from emulator.gateway import Gateway

AGORA = web.AppKey("agora", Agora)
GATEWAY = web.AppKey("gateway", Gateway)
