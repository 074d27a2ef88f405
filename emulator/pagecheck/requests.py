"""The requests of a page: answers, failures, addresses and bytes. It records them and does not evaluate them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from emulator.browser.chromium import Tab
from emulator.pagecheck.seen import Loaded, Seen, Traffic, show_url

# Schemes that the browser opens itself. Other programs open all other schemes, also for frames and plug-ins.
_INSIDE = ("http", "https", "about", "blob", "data", "file", "javascript")
# Cancellations by the page or by the browser are not faults.
_HARMLESS = ("net::ERR_ABORTED", "net::ERR_BLOCKED_BY_CLIENT")


class Requests:
    """Listens to one tab. `loaded` returns the current load, and `clock` the seconds since the last load ended.

    `traffic` contains the network traffic since it was last replaced.
    """

    def __init__(
        self, tab: Tab, main_frame: str, seen: Seen, loaded: Callable[[], Loaded], clock: Callable[[], float]
    ) -> None:
        self._frame, self._seen, self._loaded, self._clock = main_frame, seen, loaded, clock
        self.traffic = Traffic()
        self._urls: dict[str, str] = {}
        self._counted: dict[str, float] = {}
        self._whole: set[str] = set()
        for name, handler in {
            "requestWillBeSent": self._on_request,
            "responseReceived": self._on_response,
            "dataReceived": self._on_data,
            "loadingFinished": self._on_finished,
            "loadingFailed": self._on_failed,
            "webSocketFrameSent": lambda event: self.count(0, _size_of(event)),
            "webSocketFrameReceived": lambda event: self.count(_size_of(event), 0),
        }.items():
            tab.on(f"Network.{name}", handler)

    def count(self, down: float, up: float) -> None:
        """Count bytes that were transferred now."""
        traffic, now = self.traffic, self._clock()
        traffic.add(traffic.down, now, down)
        traffic.add(traffic.up, now, up)

    def _on_request(self, event: dict[str, Any]) -> None:
        request, identity = event["request"], event["requestId"]
        self._urls[identity] = request["url"]
        scheme = urlsplit(request["url"]).scheme
        if event.get("type") == "Document" and scheme not in _INSIDE:
            self._seen.windows.append(f"{scheme}:")
        if self._is_page(event):
            self._loaded().chain.append(request["url"])
        entries = request.get("postDataEntries", [])
        sent = sum(len(base64.b64decode(entry.get("bytes", ""))) for entry in entries)
        self.count(0, sent or len(request.get("postData", "")))

    def _is_page(self, event: dict[str, Any]) -> bool:
        """Return True for the main frame's document, including redirects."""
        return event.get("type") == "Document" and event.get("frameId") == self._frame

    def _on_response(self, event: dict[str, Any]) -> None:
        response = event["response"]
        self._seen.secure |= response["url"].startswith("https:")
        if self._is_page(event):
            self._loaded().status = response["status"]
        elif response["status"] >= 400 and not response["url"].endswith("/favicon.ico"):
            self._seen.failed_requests.append(f"{response['status']} {show_url(response['url'])}")

    def _on_data(self, event: dict[str, Any]) -> None:
        identity, size = event["requestId"], max(0, event["encodedDataLength"])
        if identity in self._whole:
            return  # the event of a piece can follow that of the end, which has already counted it
        self._counted[identity] = self._counted.get(identity, 0) + size
        self.count(size, 0)

    def _on_finished(self, event: dict[str, Any]) -> None:
        identity = event["requestId"]
        self._urls.pop(identity, None)
        self._whole.add(identity)
        self.count(max(0.0, event["encodedDataLength"] - self._counted.pop(identity, 0.0)), 0)

    def _on_failed(self, event: dict[str, Any]) -> None:
        url, text = self._urls.pop(event["requestId"], ""), event["errorText"]
        self._counted.pop(event["requestId"], None)
        if "ERR_CERT" in text or "ERR_SSL" in text:
            self._seen.certificates.append(f"{text.removeprefix('net::')} at {show_url(url)}")
        elif text not in _HARMLESS and not event.get("canceled") and not self._is_page_url(url):
            self._seen.failed_requests.append(f"{text.removeprefix('net::')} {show_url(url)}")

    def _is_page_url(self, url: str) -> bool:
        return url in self._loaded().chain


def _size_of(event: dict[str, Any]) -> int:
    frame = event["response"]
    size = len(frame["payloadData"])
    return size if frame["opcode"] == 1 else size * 3 // 4
