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
GREEN = "<style>html{background:#00a000;height:100%}iframe{display:none}a{opacity:0}</style><a>.</a>"
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
    site.add("/other", "<style>html{background:#a00000}</style>")
    doing = f"setTimeout(() => {{ {PAGES[page]} }}, 300); setTimeout(() => fetch('/done'), 900)"
    url = site.add("/page", f"{GREEN}<script>addEventListener('load', () => {{ {doing} }})</script>")
    settings = {"engine": "browser", "compression": 1, "times": {"start": 0, "slice": 1, "exit": 0.5}}
    async with emulating(s3, **settings) as agora:
        session = await agora.start(url=url, av=["hls", "mp4"], videoWidth=640, videoHeight=360)
        await until(lambda: "/done" in site.asked, 60)
        made = (await agora.task(session))["slices_made"]
        await agora.slices(session, made + 2, 60)
        assert (await agora.call(session, "stop"))[0] == 200
        (mp4,) = agora.objects(containing=session.sid, ending=".mp4").values()
    assert page != "frame of a script" or "/framed" in site.asked
    picture = last_picture(mp4).astype(int)
    away = np.abs(picture - picture.reshape(-1, 3).mean(axis=0)).max()
    assert away < 40, "something covers a part of the page"
    red, green, blue = picture.reshape(-1, 3).mean(axis=0)
    assert green > 120, (red, green, blue)
    assert max(red, blue) < 60, (red, green, blue)
