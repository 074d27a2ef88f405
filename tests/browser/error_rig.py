"""Real pictures of Chromium's own error pages, and of pages that are none: rendered by Chromium, encoded by libx264."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from browser_rig import Site
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray

from emulator.browser.cdp import CdpError
from emulator.browser.chromium import Look, Tab, launch
from emulator.browser.desktop import open_desktop

Luma = NDArray[np.uint8]

# The pages are not made for the tests: a server that answers like this makes Chromium show one of its own.
_ANSWERS = {
    "empty_answer": b"",
    "http_404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "http_502": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    "redirects": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    "invalid_answer": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
}
# Failures of the network that a test cannot make happen are reported by the protocol's own command.
_FAILURES = {
    "timed_out": "TimedOut",
    "reset": "ConnectionReset",
    "disconnected": "InternetDisconnected",
    "unreachable": "AddressUnreachable",
    "blocked": "BlockedByClient",
}
# Warnings that Chromium shows instead of a page, from its page of examples.
_WARNINGS = {
    "clock": "clock",
    "captive_portal": "captiveportal",
    "https_only": "https_only",
    "insecure_form": "insecure_form",
    "lookalike": "lookalike",
    "dangerous": "safebrowsing?type=malware",
}
KINDS = ("refused", "unknown_host", "certificate", "unsafe_port", "frame", *_ANSWERS, *_FAILURES, *_WARNINGS)
SIZES = ((640, 360), (1280, 720), (1920, 1080), (360, 640), (720, 1280))

_WAIT_SECONDS = 20.0
_STILL = "const s = document.createElement('style'); s.textContent = '* {transition: none !important}'; \
document.documentElement.append(s); new Promise(d => requestAnimationFrame(() => requestAnimationFrame(d)))"
# Text of other languages, longer or denser, takes the place of English in each text node of the real page.
TEXTS = {
    "de": ("ltr", "Überprüfe die Einstellungen der Internetverbindung und des Proxyservers "),
    "ja": ("ltr", "このサイトにアクセスできません接続を確認してください"),
    "ar": ("rtl", "تعذر الوصول إلى هذا الموقع الإلكتروني تحقق من الاتصال "),
}
_TRANSLATE = """(([direction, words]) => {
  document.documentElement.dir = direction;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const length = node.data.trim().length;
    if (length && !node.data.includes('_') && !['STYLE', 'SCRIPT'].includes(node.parentNode.tagName))
      node.data = words.repeat(9).slice(0, Math.ceil(length * (direction === 'rtl' ? 0.9 : 1.2)));
  }
})"""


# Those pages have to be switched on, once for each profile.
_ALLOW = "(b => b.innerText.startsWith('Enable') && b.click())(document.querySelector('chrome-urls-app')\
.shadowRoot.querySelector('cr-button'))"


@dataclass(frozen=True, slots=True)
class View:
    """How a page is looked at: its size in its own pixels, pixels of the picture for each of them, and its colours."""

    width: int
    height: int
    scale: int = 1
    dark: bool = False

    def __str__(self) -> str:
        return f"{self.width}x{self.height}@{self.scale}{'-dark' if self.dark else ''}"


@asynccontextmanager
async def failing_servers(folder: Path) -> AsyncIterator[dict[str, str]]:
    """URLs that make Chromium show a page of its own, by kind."""
    async with AsyncExitStack() as stack:

        async def serve(answer: bytes, context: ssl.SSLContext | None = None) -> int:
            server = await asyncio.start_server(partial(_answer, answer), "127.0.0.1", 0, ssl=context)
            stack.callback(server.close)
            return int(server.sockets[0].getsockname()[1])

        closed = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = closed.sockets[0].getsockname()[1]
        closed.close()
        await closed.wait_closed()
        yield {
            "refused": f"http://127.0.0.1:{port}/",
            "unknown_host": "http://no-such-host.invalid/",
            "certificate": f"https://localhost:{await serve(b'', _untrusted(folder))}/",
            "unsafe_port": "http://127.0.0.1:1/",
            "frame": f"data:text/html,<body style='margin:0'><iframe src='http://127.0.0.1:{port}/' "
            "style='border:0;width:100vw;height:100vh'></iframe>",
            **{kind: f"http://127.0.0.1:{await serve(answer)}/" for kind, answer in _ANSWERS.items()},
            **dict.fromkeys(_FAILURES, "http://page.invalid/"),
            **{kind: f"chrome://interstitials/{name}" for kind, name in _WARNINGS.items()},
        }


async def _answer(answer: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        await reader.read(1)
        writer.write(answer)
        await writer.drain()
    writer.close()


def _untrusted(folder: Path) -> ssl.SSLContext:
    """A server's context whose certificate nothing vouches for."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(30))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "untrusted.pem"
    file.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def open_error(tab: Tab, kind: str, url: str) -> None:
    """Make the tab show Chromium's page of that kind."""
    if kind in _FAILURES:
        failing: list[asyncio.Task[object]] = []

        def fail(event: dict[str, str]) -> None:
            asked = {"requestId": event["requestId"], "errorReason": _FAILURES[kind]}
            failing.append(asyncio.create_task(tab.send("Fetch.failRequest", asked)))

        tab.on("Fetch.requestPaused", fail)
        await tab.send("Fetch.enable")
        await open_page(tab, url)
        await asyncio.gather(*failing)
    elif kind in _WARNINGS:
        await open_page(tab, "chrome://chrome-urls")
        await tab.evaluate(_ALLOW)
        await open_page(tab, url)
    else:
        await open_page(tab, url)


async def open_page(tab: Tab, url: str) -> None:
    """Go to a page, or to the error page that takes its place, and wait until it is loaded."""
    loaded = asyncio.Event()
    tab.on("Page.loadEventFired", lambda _: loaded.set())
    await tab.send("Page.navigate", {"url": url})
    await asyncio.wait_for(loaded.wait(), _WAIT_SECONDS)
    await tab.evaluate(f"(() => {{{_STILL.replace('new Promise', 'return new Promise')}}})()")


async def translate(tab: Tab, language: str) -> None:
    """Put text of another language into the page, and turn it to that language's direction."""
    await tab.evaluate(f"{_TRANSLATE}({list(TEXTS[language])!r})")


async def take(tab: Tab, view: View) -> av.VideoFrame:
    """A picture of the page."""
    size = {"width": view.width, "height": view.height, "deviceScaleFactor": view.scale, "mobile": False}
    await tab.send("Emulation.setDeviceMetricsOverride", size)
    colours = [{"name": "prefers-color-scheme", "value": "dark" if view.dark else "light"}]
    await tab.send("Emulation.setEmulatedMedia", {"features": colours})
    shot = await tab.send("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": True}, seconds=_WAIT_SECONDS)
    with av.open(BytesIO(base64.b64decode(shot["data"]))) as picture:
        return next(picture.decode(video=0)).reformat(format="yuv420p")


async def set_dark(tab: Tab, dark: bool) -> None:
    """Have pages that know no dark colours drawn in dark ones."""
    await tab.send("Emulation.setAutoDarkModeOverride", {"enabled": dark})


async def crashed(home: Path, view: View) -> av.VideoFrame:
    """A picture of a tab whose page has crashed. The browser draws it outside of any page, so a display shows it."""
    look = Look(view.width * view.scale, view.height * view.scale)  # of the display; the window's is in its own pixels
    program = home / "chromium-with-options"
    options = [f"--force-device-scale-factor={view.scale}", *(["--force-dark-mode"] if view.dark else [])]
    program.write_text(f'#!/bin/sh\nexec chromium {" ".join(options)} "$@"\n')
    program.chmod(0o700)
    async with (
        open_desktop(home, look) as desktop,
        launch(home, Look(view.width, view.height), program=str(program), display=desktop.variables) as chromium,
    ):
        assert desktop.display is not None
        tab = await chromium.open_tab()
        await open_page(tab, "data:text/html,<body style='background:blue'>")
        before = await asyncio.to_thread(_grab, desktop.display, look)
        with suppress(CdpError):
            await tab.send("Page.crash", seconds=2)
        async with asyncio.timeout(_WAIT_SECONDS):
            last, shown = before, await asyncio.to_thread(_grab, desktop.display, look)
            # It is there once the picture has changed and stays.
            while _alike(shown, before) or not _alike(shown, last):
                last, shown = shown, await asyncio.to_thread(_grab, desktop.display, look)
        return shown


def _grab(display: str, look: Look) -> av.VideoFrame:
    """The picture on a display a quarter of a second from now."""
    options = {"framerate": "8", "video_size": f"{look.width}x{look.height}", "draw_mouse": "0"}
    with av.open(display, format="x11grab", options=options, buffer_size=0) as grabber:
        frames = grabber.decode(video=0)
        next(frames)
        next(frames)
        return next(frames).reformat(format="yuv420p")


def _alike(one: av.VideoFrame, other: av.VideoFrame) -> bool:
    return bool(np.abs(luma_of(one).astype(np.int16) - luma_of(other)).mean() < 0.01)


def luma_of(frame: av.VideoFrame) -> Luma:
    """The brightness of a picture."""
    return frame.to_ndarray()[: frame.height].copy()


def scaled(frame: av.VideoFrame, factor: float) -> av.VideoFrame:
    """The picture in another size."""
    wide, high = (round(side * factor / 2) * 2 for side in (frame.width, frame.height))
    return frame.reformat(wide, high, interpolation="BICUBIC")


def encoded(frame: av.VideoFrame, **options: str) -> av.VideoFrame:
    """The first key picture of half a second of this picture in H.264."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = frame.width, frame.height, "yuv420p", 15
    encoder.options = {"preset": "veryfast", "threads": "1", "x264-params": "log-level=none", **options}
    packets = []
    for number in range(8):
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder = av.CodecContext.create("h264", "r")
    return next(picture for packet in (*packets, None) for picture in decoder.decode(packet))


def variants(frame: av.VideoFrame) -> Iterator[tuple[str, Luma]]:
    """The picture as it was drawn, and as recordings show it."""
    yield "drawn", luma_of(frame)
    for options in ({"crf": "28"}, {"crf": "35"}, {"b": "250000", "maxrate": "250000", "bufsize": "250000"}):
        yield "h264 " + " ".join(options.values()), luma_of(encoded(frame, **options))
    for factor in (0.667, 1.5):
        yield f"scaled {factor}", luma_of(encoded(scaled(frame, factor), crf="30"))


def innocent_pages(site: Site) -> dict[str, str]:
    """URLs of pages that are no error pages of Chromium's, by name."""
    folder = Path(__file__).with_name("pages") / "innocent"
    return {file.stem: site.add_file(f"/{file.stem}", file) for file in sorted(folder.glob("*.html"))}
