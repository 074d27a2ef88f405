"""A recording that ffmpeg made and that ffmpeg plays, over HTTP from a small server: the judge of a loss."""

import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

from media_corpus import BEGIN, SID, judged, utc17

from service.media.listing.discovery import Wanted, find_recordings
from service.media.listing.rules import PlaylistRead
from service.report import ListedObject, Report

FOLDER = "r/"
COUNT, SECONDS = 4, 2
HEAD = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n"
END = "#EXT-X-ENDLIST\n"


@cache
def slices() -> tuple[bytes, ...]:
    """Four slices of two seconds, cut and muxed by ffmpeg."""
    with tempfile.TemporaryDirectory() as folder:
        source = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=5", "-f", "lavfi", "-i", "sine=frequency=440"]
        coding = ["-t", str(COUNT * SECONDS), "-c:v", "libx264", "-preset", "ultrafast", "-g", "5", "-threads", "1"]
        slicing = ["-c:a", "aac", "-ac", "1", "-f", "hls", "-hls_time", str(SECONDS), "-hls_list_size", "0"]
        subprocess.run(
            ["ffmpeg", "-v", "error", *source, *coding, "-pix_fmt", "yuv420p", *slicing, f"{folder}/all.m3u8"],
            check=True, timeout=60,
        )  # fmt: skip
        return tuple((Path(folder) / f"all{number}.ts").read_bytes() for number in range(COUNT))


def name(cname: str, number: int) -> str:
    return f"{SID}_{cname}_{utc17(BEGIN + number * SECONDS)}.ts"


def text(uris: list[str], *, before: str = "#EXTINF:2.000000\n", head: str = HEAD, end: str = END) -> str:
    return head + "".join(f"{before}{uri}\n" for uri in uris) + end


class Recording:
    """The objects of one recording: slices under their keys, and a playlist of any content."""

    def __init__(self, content: str | bytes, cname: str = "room") -> None:
        self.content = content if isinstance(content, bytes) else content.encode()
        self.key = f"{FOLDER}{SID}_{cname}.m3u8"
        self.objects = {f"{FOLDER}{name(cname, number)}": slices()[number] for number in range(COUNT)}
        self.objects[self.key] = self.content

    def judge(self) -> Report:
        """What Pagereel says at level `listing`, having found the recording by its names."""
        listed = [ListedObject(key, len(body), key, BEGIN) for key, body in sorted(self.objects.items())]
        found, foreign = find_recordings(listed)
        assert (len(found), foreign) == (1, 0)
        reads = {self.key: PlaylistRead(self.content, 5.0)}
        return judged(found[0].expectation(BEGIN + 9999, Wanted()), listed, reads)

    def played_seconds(self) -> float:
        """How much picture ffmpeg gets out of the playlist, fetching all of it over HTTP."""
        with serve(self.objects) as base:
            return _picture_seconds(f"{base}/{quote(self.key)}")

    def is_played_whole(self) -> bool:
        return self.played_seconds() == COUNT * SECONDS


def _picture_seconds(url: str) -> float:
    asked = ["ffprobe", "-v", "quiet", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "json", url]
    shown = subprocess.run(asked, check=False, capture_output=True, timeout=30).stdout
    packets = json.loads(shown or b"{}").get("packets", [])
    return len({packet["pts_time"] for packet in packets}) / 5


@contextmanager
def serve(objects: dict[str, bytes]) -> Iterator[str]:
    """A web server that finds objects as a bucket does: by the decoded path, without the query."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = objects.get(unquote(self.path.partition("?")[0]).lstrip("/"))
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
