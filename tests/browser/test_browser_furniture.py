"""Nothing of the browser's own covers the page: no window that nobody clicked for, print sheet, question or bubble."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
import numpy as np
import pytest
from browser_rig import Site

from emulator.s3_server import S3Server
from tests.emulator.emulator_rig import BUCKET, emulating, until

# A page is green from edge to edge, and as soon as it is loaded does what brings up something of the browser's.
GREEN = (
    "<style>html{background:#00a000;height:100%}a,iframe,embed,object{opacity:0}"
    "iframe,embed,object{position:absolute;left:0;top:0;width:300px;height:200px}</style><a>.</a>"
)
LINK = "const link = document.querySelector('a');"
PAGES = {
    "window": "open('/other', '_blank', 'width=300,height=200')",
    "tab": "open('/other', '_blank')",
    "link to a tab": LINK + "link.href = '/other'; link.target = '_blank'; link.click()",
    "full screen": "document.documentElement.requestFullscreen().catch(() => {})",
    "download": LINK + "link.href = URL.createObjectURL(new Blob(['x'])); link.download = 'x.bin'; link.click()",
    "print": "print()",
    "print command": "document.execCommand('print')",
    "other program": "location = 'example-app://example.org/join'",
    "link to another program": LINK + "link.href = 'example-app:join'; link.click()",
    "frame of another program": (
        "const frame = document.createElement('iframe'); frame.src = 'example-app:join'; document.body.append(frame)"
    ),
    "frame's attribute of another program": (
        "const frame = document.createElement('iframe'); frame.setAttribute('src', 'example-app:join');"
        " document.body.append(frame)"
    ),
    "frame of a script": (
        "const frame = document.createElement('iframe'); frame.src = 'javascript:void fetch(`/framed`)';"
        " document.body.append(frame)"
    ),
    "dialog": "alert('here')",
    "notification": "Notification.requestPermission().catch(() => {})",
    "place": "navigator.geolocation.getCurrentPosition(() => {}, () => {})",
    "camera": "navigator.mediaDevices?.getUserMedia({video: true}).catch(() => {})",
    "leaving": "addEventListener('beforeunload', (event) => event.preventDefault()); location.hash = 'here'",
}
# The same in the page's own markup, or in that of its frames: no script of the page is there to be watched.
MARKUP = {
    "frame of another program": "<iframe src='example-app:join'></iframe>",
    "frame of another program in a frame": "<iframe srcdoc=\"<iframe src='example-app:join'></iframe>\"></iframe>",
    "embedded program": "<embed src='example-app:join'>",
    "embedded program of a kind": "<embed src='example-app:join' type='text/html'>",
    "object of another program": "<object data='example-app:join'></object>",
    "object of another program of a kind": "<object data='example-app:join' type='text/html'></object>",
    "refresh to another program": "<meta http-equiv=refresh content='0;url=example-app:join'>",
    "frame that redirects to another program": "<iframe src='/redirect/example-app:join'></iframe>",
    "form to another program": "<form action='example-app:join'></form><script>document.forms[0].submit()</script>",
    "frame of a download": "<iframe src='/file.bin'></iframe>",
    "embedded download": "<embed src='/file.bin'>",
    "object of a download": "<object data='/file.bin'></object>",
    "frame that prints": "<iframe srcdoc='<script>print()</script>'></iframe>",
    "frame of a document that prints": "<iframe src='/prints.pdf'></iframe>",
    "embedded document that prints": "<embed src='/prints.pdf' type='application/pdf'>",
    "object of a document that prints": "<object data='/prints.pdf' type='application/pdf'></object>",
    "frame of a file that asks where to be kept": "<iframe src='/file.zip'></iframe>",
    "frame that asks for a log-in": "<iframe src='/secret'></iframe>",
    "call that asks for a log-in": "<script>fetch('/secret', {credentials: 'include'})</script>",
    "picture that asks for a log-in": "<img src='/secret' alt=''>",
}
# A document of one page that prints itself as soon as it is opened.
PRINTS = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(this.print\\(true\\);)>>>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj
trailer<</Root 1 0 R>>
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        server.make_bucket(BUCKET)
        yield server


def last_picture(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(container.streams.video[0]))
    return frames[-1].to_ndarray(format="rgb24")


@pytest.mark.parametrize("page", PAGES)
async def test_the_page_is_seen_to_its_edges_whatever_it_asks_the_browser_for(
    s3: S3Server, site: Site, page: str
) -> None:
    doing = f"setTimeout(() => {{ {PAGES[page]} }}, 300); setTimeout(() => fetch('/done'), 900)"
    await look_at(s3, site, f"<script>addEventListener('load', () => {{ {doing} }})</script>")
    assert page != "frame of a script" or "/framed" in site.asked


@pytest.mark.parametrize("page", MARKUP)
async def test_the_page_is_seen_to_its_edges_whatever_its_frames_hold(s3: S3Server, site: Site, page: str) -> None:
    site.add_bytes("/file.bin", b"x" * 1000, "application/octet-stream")
    site.add_bytes("/file.zip", b"PK\3\4" + bytes(996), "application/zip")
    site.add_bytes("/prints.pdf", PRINTS, "application/pdf")
    await look_at(s3, site, f"<script>setTimeout(() => fetch('/done'), 1500)</script>{MARKUP[page]}")


async def look_at(s3: S3Server, site: Site, html: str) -> None:
    """Record a green page with `html` in it, and find all of its last picture green."""
    site.add("/other", "<style>html{background:#a00000}</style>")
    url = site.add("/page", GREEN + html)
    settings = {"engine": "browser", "compression": 1, "times": {"start": 0, "slice": 1, "exit": 0.5}}
    async with emulating(s3, **settings) as agora:
        session = await agora.start(url=url, av=["hls", "mp4"], videoWidth=640, videoHeight=360)
        await until(lambda: "/done" in site.asked, 60)
        made = (await agora.task(session))["slices_made"]
        await agora.slices(session, made + 2, 60)
        assert (await agora.call(session, "stop"))[0] == 200
        (mp4,) = agora.objects(containing=session.sid, ending=".mp4").values()
    picture = last_picture(mp4).astype(int)
    away = np.abs(picture - picture.reshape(-1, 3).mean(axis=0)).max()
    assert away < 40, "something covers a part of the page"
    red, green, blue = picture.reshape(-1, 3).mean(axis=0)
    assert green > 120, (red, green, blue)
    assert max(red, blue) < 60, (red, green, blue)
