"""What the browser's tests share: a site with pages made for them, and looking for what was left behind."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

import emulator.browser
from emulator.app import close

# The page that shows its clock, flashes and beeps.
BUNDLED = Path(emulator.browser.__file__).with_name("demo.html")


@dataclass
class Site:
    """A site on loopback. `pages` maps a path to its status and HTML; `asked` are the paths asked for, in order."""

    url: str = ""
    pages: dict[str, tuple[int, str]] = field(default_factory=dict)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def add(self, path: str, html: str, status: int = 200) -> str:
        """Serve a page, and give its URL."""
        self.pages[path] = status, f"<!doctype html><meta charset=utf-8><title>{path}</title>{html}"
        return self.url + path

    def add_file(self, path: str, file: Path) -> str:
        """Serve an HTML file as it is, and give its URL."""
        self.pages[path] = 200, file.read_text()
        return self.url + path

    def add_bytes(self, path: str, content: bytes, kind: str) -> str:
        """Serve bytes of that media type, and give their URL."""
        self.files[path] = kind, content
        return self.url + path

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path in self.files:
            kind, content = self.files[request.path]
            return web.Response(body=content, content_type=kind)
        if request.path.startswith("/redirect/"):
            return web.Response(status=302, headers={"Location": request.path.removeprefix("/redirect/")})
        if request.path == "/secret":
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="secret"'})
        status, html = self.pages.get(request.path, (404, "nothing here"))
        return web.Response(text=html, status=status, content_type="text/html")


@asynccontextmanager
async def serving() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_get("/{path:.*}", site.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield site
    finally:
        await close(runner)


def browsers() -> list[int]:
    """The main processes of browsers that children of this process's emulators are."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if b"--user-data-dir=" in command and b"--type=" not in command and parent_of(entry) == os.getpid():
                found.append(int(entry.name))
    return found


def parent_of(entry: Path) -> int:
    """The parent of a process, given by its folder in /proc."""
    return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
