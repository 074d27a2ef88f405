"""A house with a console to look at: recordings of several kinds, three people, and a browser that cannot leave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from emulator.s3_server import S3Server
from service.operations import Scope
from tests.e2e.house import BUCKET, House, Store, living, notice, prefix_of
from tests.e2e.receiver import endpoints, receiving

ANSWER = "<b>no such course</b> " + "x" * 2000
OWNERS = {"school": frozenset(Scope), "reader": frozenset({Scope.READ})}


@dataclass
class Console:
    """The house, its people's browser, and every address that the browser asked for."""

    house: House
    browser: Browser
    verified: str = ""
    defective: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.house.api}/console"

    @property
    def token(self) -> str:
        return self.house.tokens["school"]

    @asynccontextmanager
    async def page(self, token: str | None = None, **how: object) -> AsyncIterator[Page]:
        """A fresh browser profile; with a token it is logged in. A fault of a page's script fails the test."""
        context: BrowserContext = await self.browser.new_context(**how)  # type: ignore[arg-type]
        faults: list[str] = []
        context.on("request", lambda request: self.asked.append(request.url))
        context.on("weberror", lambda error: faults.append(str(error.error)))
        context.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        try:
            page = await context.new_page()
            if token is not None:
                await page.goto(f"{self.url}/login")
                await page.get_by_label("API token").fill(token)
                await page.get_by_role("button", name="Log in").click()
                await page.wait_for_url("**/console/recordings")
            yield page
        finally:
            await context.close()
        assert [fault for fault in faults if "status of 4" not in fault] == []


@asynccontextmanager
async def console_house(root: Path) -> AsyncIterator[Console]:
    """Everything: a verified recording, one with a hole, an endpoint that refuses each message, and a notification
    about nobody's."""
    with S3Server() as server:
        server.make_bucket(BUCKET)
        store = Store(server)
        async with (
            receiving(usual=422, says=ANSWER) as crm,
            living(root, store, owners=OWNERS, settings=endpoints(crm=crm.url)) as house,
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            console = Console(house, browser)
            await _record(console, store)
            yield console
            await browser.close()
        store.close()


async def _record(console: Console, store: Store) -> None:
    house = console.house
    house.token = console.token
    wish = {"notify": ["crm"], "av_file_type": ["hls", "mp4"], "labels": {"room": "7", "course": "physics"}}
    wish["level"] = "content"
    console.verified = await house.start(**wish)
    console.defective = await house.start(url="https://class.example.org/room/13?recorder=1", av_file_type=["hls"])
    await house.slices(console.verified, 4)
    await house.slices(console.defective, 4)
    slices = [key for key in await store.keys(prefix_of(console.defective)) if key.endswith(".ts")]
    await store.delete(sorted(slices)[1])
    for one in (console.verified, console.defective):
        await house.do(one, "stop")
    await house.until(console.verified, "verified")
    await house.until(console.defective, "incomplete", "defective")
    assert await house.notify(notice("nobody's")) == 200


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""
