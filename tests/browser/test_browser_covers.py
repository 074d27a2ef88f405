"""Pages that would bring up something of the browser's in many ways, one after the other in one browser: a print sheet,
a window, a question about another program, a bubble. The page goes on being seen to its edges, and no window opens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pytest
from aiohttp import web

from emulator.app import close
from emulator.browser.cdp import CdpError
from emulator.browser.chromium import Chromium, Look, launch
from emulator.browser.desktop import open_desktop
from emulator.browser.page import Heard, WatchedPage
from emulator.browser.settings import Limits

LOOK = Look(640, 360)
# It is green from edge to edge; frames in it are not seen, and take part all the same.
GREEN = (
    "<!doctype html><meta charset=utf-8><style>html{background:#00a000;height:100%} body{margin:0}"
    "iframe,object,embed,a,form{position:fixed;left:0;top:0;width:9px;height:9px;opacity:0}</style>"
)
PROGRAM = "example-app://example.org/join"
# A document that prints itself as soon as it is opened.
PRINTING_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(this.print\\(\\);)>>>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)


def script(text: str) -> str:
    """Run it as soon as the page is loaded."""
    return f"<script>addEventListener('load', () => {{ {text} }})</script>"


def framed(text: str, attributes: str = "") -> str:
    """A frame whose own page runs it."""
    inner = f"<script>{text}</script>".replace('"', "&quot;")
    return f'<iframe {attributes} srcdoc="{inner}"></iframe>'


FRAME = "const frame = document.createElement('iframe'); document.body.append(frame);"

PRINT = {
    "print": script("print()"),
    "print command": script("document.execCommand('print', false, null)"),
    "print command in capitals": script("document.execCommand('PRINT')"),
    "print from a timer": script("setTimeout(window.print, 100); setTimeout('print()', 200)"),
    "print while it loads": "<script>print()</script>",
    "print by an attribute": "<body onload='print()'>",
    "print of a frame's own": framed("print()"),
    "print of a sandboxed frame": framed("print()", "sandbox='allow-scripts allow-modals allow-same-origin'"),
    "print of a frame without a page": script(FRAME + "frame.contentWindow.print()"),
    "print borrowed from a frame": script(FRAME + "frame.contentWindow.print.call(window)"),
    "print of a frame of another site": "<iframe src='{other}/prints'></iframe>",
    "print by a link with a script": script("location.href = 'javascript:print()'"),
    "print by a frame with a script": script(FRAME + "frame.src = 'javascript:print()'"),
    "print of a frame that was written": script(
        FRAME + "frame.contentDocument.write('<script>print()<' + '/script>'); frame.contentDocument.close()"
    ),
    "print of an object": "<object data='{site}/prints' type='text/html'></object>",
    "print of an embedded page": "<embed src='{site}/prints' type='text/html'>",
    "print of a page of data": "<iframe src='data:text/html,<script>print()</script>'></iframe>",
    "print of a page made of bytes": script(
        FRAME + "frame.src = URL.createObjectURL(new Blob(['<script>print()<' + '/script>'], {type: 'text/html'}))"
    ),
    "print after the function was deleted": script("delete window.print; try { print() } catch {}"),
    "print of the prototype": script("Object.getPrototypeOf(window).print?.call(window)"),
    "print of a document": "<iframe src='{site}/printing.pdf'></iframe>",
    "print of an embedded document": "<embed src='{site}/printing.pdf' type='application/pdf'>",
}

LINK = "const link = document.createElement('a'); document.body.append(link);"
WINDOWS = {
    "window": script("open('/other', '_blank', 'width=300,height=200')"),
    "window without an address": script("open('', 'w', 'popup')?.document.write('here')"),
    "tab": script("open('/other')"),
    "tab that knows nothing of the page": script("open('/other', '_blank', 'noopener,noreferrer')"),
    "link to a tab": script(LINK + "link.href = '/other'; link.target = '_blank'; link.click()"),
    "link to a named window": script(LINK + "link.href = '/other'; link.target = 'named'; link.click()"),
    "link by a made click": script(
        LINK + "link.href = '/other'; link.target = '_blank';"
        " link.dispatchEvent(new MouseEvent('click', {bubbles: true, ctrlKey: true, button: 1}))"
    ),
    "form to a tab": "<form action='/other' target='_blank'></form>" + script("document.forms[0].submit()"),
    "form that asks, to a tab": "<form action='/other' target='_blank'><button></button></form>"
    + script("document.forms[0].requestSubmit()"),
    "base that names a window": "<base target='_blank'><a href='/other'></a>" + script("document.links[0].click()"),
    "window from a frame": framed("open('/other')"),
    "window from a sandboxed frame": framed("open('/other')", "sandbox='allow-scripts allow-popups'"),
    "window from a frame of another site": "<iframe src='{other}/opens'></iframe>",
    "many windows": script("for (let i = 0; i < 20; i++) open('/other', 'w' + i)"),
    "picture in picture": "<video muted></video>"
    + script("document.querySelector('video').requestPictureInPicture().catch(() => {})"),
    "document in a window on top": script("globalThis.documentPictureInPicture?.requestWindow().catch(() => {})"),
    "full screen": script("document.documentElement.requestFullscreen().catch(() => {})"),
    "pointer": script("document.body.requestPointerLock?.()?.catch?.(() => {})"),
    "keyboard": script("navigator.keyboard?.lock?.().catch(() => {})"),
    "share": script("navigator.share?.({title: 'x'}).catch(() => {})"),
    "payment": script(
        "try { new PaymentRequest([{supportedMethods: 'https://pay.example/'}],"
        " {total: {label: 'x', amount: {currency: 'EUR', value: '1'}}}).show().catch(() => {}) } catch {}"
    ),
    "file picker": "<input type=file style='opacity:0'>" + script("document.querySelector('input').click()"),
    "colour picker": "<input type=color style='opacity:0'>" + script("document.querySelector('input').click()"),
    "screen": script("navigator.mediaDevices?.getDisplayMedia?.({video: true}).catch(() => {})"),
    "protocol of its own": script(
        "try { navigator.registerProtocolHandler('web+own', location.origin + '/other?%s') } catch {}"
    ),
    "several downloads": script(
        LINK + "link.href = URL.createObjectURL(new Blob(['x']));"
        " for (let i = 0; i < 5; i++) { link.download = i + '.exe'; link.click() }"
    ),
    "download by its header": "<iframe src='{site}/file'></iframe>",
    "log-in of a frame": "<iframe src='{site}/login'></iframe>",
    "log-in of a frame of another site": "<iframe src='{other}/login'></iframe>",
    "log-in of an object": "<object data='{site}/login'></object>",
    "log-in of the page": script("location = '/login'"),
    "password field": "<form style='opacity:0'><input type=password autofocus value=x></form>",
    "client certificate, USB and the like": script(
        "navigator.usb?.requestDevice?.({filters: []}).catch(() => {});"
        " navigator.bluetooth?.requestDevice?.({acceptAllDevices: true}).catch(() => {});"
        " navigator.credentials?.get?.({password: true, publicKey: {challenge: new Uint8Array(8)}}).catch(() => {})"
    ),
}

PROGRAMS = {
    # Chromium asks about the first only, so those that are hardest to keep away come first.
    "link to a frame": f"<iframe name=f></iframe><a href='{PROGRAM}' target=f></a>"
    + script("document.links[0].click()"),
    "location": script(f"location = '{PROGRAM}'"),
    "location replaced": script(f"location.replace('{PROGRAM}')"),
    "link": script(LINK + f"link.href = '{PROGRAM}'; link.click()"),
    "link to the window above": script(LINK + f"link.href = '{PROGRAM}'; link.target = '_top'; link.click()"),
    "link to a tab": script(LINK + f"link.href = '{PROGRAM}'; link.target = '_blank'; link.click()"),
    "form": f"<form action='{PROGRAM}'></form>" + script("document.forms[0].submit()"),
    "form to a frame": f"<iframe name=f></iframe><form action='{PROGRAM}' target=f></form>"
    + script("document.forms[0].submit()"),
    "window": script(f"open('{PROGRAM}')"),
    "window that is the page": script(f"open('{PROGRAM}', '_self')"),
    "frame in the page": f"<iframe src='{PROGRAM}'></iframe>",
    "frame written into the page": script(f"document.body.innerHTML = \"<iframe src='{PROGRAM}'></iframe>\""),
    "frame put beside": script(f"document.body.insertAdjacentHTML('beforeend', \"<iframe src='{PROGRAM}'></iframe>\")"),
    "frame from a template": f"<template><iframe src='{PROGRAM}'></iframe></template>"
    + script("document.body.append(document.querySelector('template').content.cloneNode(true))"),
    "frame's attribute with a name space": script(FRAME + f"frame.setAttributeNS(null, 'src', '{PROGRAM}')"),
    "frame's attribute as a node": script(
        FRAME + f"const node = document.createAttribute('src'); node.value = '{PROGRAM}'; frame.setAttributeNode(node)"
    ),
    "frame's location": script(FRAME + f"frame.contentWindow.location = '{PROGRAM}'"),
    "frame's own location": framed(f"location = '{PROGRAM}'"),
    "frame of another site": "<iframe src='{other}/leaves'></iframe>",
    "frame that is sent on": "<iframe src='{site}/program'></iframe>",
    "page that is sent on": script("location = '/program'"),
    "object": f"<object data='{PROGRAM}'></object>",
    "embedded": f"<embed src='{PROGRAM}'>",
    "refresh": f"<meta http-equiv=refresh content='0;url={PROGRAM}'>",
    "mail": script("location = 'mailto:a@example.org?subject=x'"),
    "telephone": "<iframe src='tel:+491234'></iframe>",
    "meeting": "<iframe src='zoommtg://example.org/join?confno=1'></iframe>",
    "office": script("location = 'ms-word:ofe|u|https://example.org/a.docx'"),
    "intent": script("location = 'intent://x#Intent;scheme=example;end'"),
    "settings": script("location = 'chrome://settings'"),
}

HELPERS = {
    "/other": "<style>html{background:#a00000}</style>",
    "/prints": "<script>print()</script>",
    "/opens": "<script>open('/other')</script>",
    "/leaves": f"<script>location = '{PROGRAM}'</script>",
}


@dataclass
class Stage:
    """One browser on one display, and a site. `pages` are shown one after the other."""

    chromium: Chromium
    display: str
    site: str
    pages: dict[str, str] = field(default_factory=dict)

    async def show(self, html: str, after: float = 0.8) -> str | None:
        """Open a page as it is opened to be recorded; what covers it, or None."""
        other = self.site.replace("127.0.0.1", "localhost")
        body = html.replace("{site}", self.site).replace("{other}", other)
        self.pages["/page"] = GREEN + body
        tab = await self.chromium.open_tab()
        try:
            page = WatchedPage(tab, f"{self.site}/page", Limits(), Heard(lambda _: None, lambda: None))
            await page.prepare()
            await page.load()
            await asyncio.sleep(after)
            windows = await self.windows()
            return await asyncio.to_thread(covering, self.display) or (
                f"windows: {windows}" if len(windows) > 2 else None
            )
        finally:
            with suppress(CdpError):
                await tab.close()
            await self.close_others()

    async def windows(self) -> list[str]:
        """The addresses of all windows and tabs: the empty one that the browser began with, and the page."""
        found = await self.chromium.cdp.send("Target.getTargets")
        return [one["url"] for one in found["targetInfos"] if one["type"] in ("page", "webview", "other")]

    async def close_others(self) -> None:
        found = await self.chromium.cdp.send("Target.getTargets")
        for one in found["targetInfos"]:
            if one["type"] == "page" and one["url"] != "about:blank":
                # It may have closed by itself meanwhile.
                with suppress(CdpError):
                    await self.chromium.cdp.send("Target.closeTarget", {"targetId": one["targetId"]})


def covering(display: str) -> str | None:
    """What a picture of the display shows beside green."""
    options = {"framerate": "8", "video_size": f"{LOOK.width}x{LOOK.height}", "draw_mouse": "0"}
    with av.open(display, format="x11grab", options=options, buffer_size=0) as grabber:
        frames = grabber.decode(video=0)
        next(frames)
        picture = next(frames).to_ndarray(format="rgb24").astype(int)
    mean = picture.reshape(-1, 3).mean(axis=0)
    away = np.abs(picture - np.array([0, 160, 0])).max(axis=2) > 40
    if not away.any():
        return None
    rows, columns = np.nonzero(away)
    return f"{away.mean():.1%} at {columns.min()}-{columns.max()} x {rows.min()}-{rows.max()}, mean {mean.round()}"


@asynccontextmanager
async def staged(home: Path) -> AsyncIterator[Stage]:
    pages: dict[str, str] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        path = request.path
        if path == "/printing.pdf":
            return web.Response(body=PRINTING_PDF, content_type="application/pdf")
        if path == "/file":
            return web.Response(body=b"x", headers={"Content-Disposition": "attachment; filename=x.bin"})
        if path == "/login":
            green = GREEN if request.headers.get("Sec-Fetch-Dest") == "document" else ""
            headers = {"WWW-Authenticate": "Basic realm=here"}
            return web.Response(status=401, headers=headers, text=green, content_type="text/html")
        if path == "/program":
            return web.Response(status=302, headers={"Location": PROGRAM})
        html = pages.get(path) or HELPERS.get(path)
        return web.Response(status=200 if html else 404, text=html or "nothing", content_type="text/html")

    async with AsyncExitStack() as stack:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(close, runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        desktop = await stack.enter_async_context(open_desktop(home, LOOK))
        assert desktop.display is not None
        chromium = await stack.enter_async_context(launch(home, LOOK, display=desktop.variables))
        yield Stage(chromium, desktop.display, f"http://127.0.0.1:{runner.addresses[0][1]}", pages)


FAMILIES = {"print": PRINT, "windows": WINDOWS, "programs": PROGRAMS}
# The others are proofs: a page takes a second and more.
FEW = {
    *("print", "print of a frame without a page", "print of a document"),
    *("window", "form to a tab", "screen", "log-in of a frame"),
    *("link to a frame", "frame that is sent on", "frame in the page", "refresh"),
}


@pytest.mark.parametrize("pages", [pytest.param(FEW, id="few"), pytest.param(None, id="all", marks=pytest.mark.proof)])
@pytest.mark.parametrize("family", FAMILIES)
async def test_nothing_of_the_browsers_covers_a_page_in_whatever_way_it_asks(
    home: Path, family: str, pages: set[str] | None
) -> None:
    covered = {}
    async with staged(home) as stage:
        for name, html in FAMILIES[family].items():
            found = await stage.show(html) if pages is None or name in pages else None
            if found is not None:
                covered[name] = found
    assert covered == {}
