"""The console in a real browser: every page, people with different rights, phones, the dark, and no way out."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from http.cookies import SimpleCookie

import aiohttp
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, expect

from tests.browser.console_house import ANSWER, Console, console_house, host_of
from tests.e2e.house import NCS_SECRET, TOKEN, eventually, prefix_of, rfc3339

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE = {"viewport": {"width": 360, "height": 740}}
DARK = {"color_scheme": "dark"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Console]:
    async with console_house(tmp_path_factory.mktemp("console")) as running:
        yield running
        assert {host_of(url) for url in running.asked} <= {"127.0.0.1"}, "a page asked for something elsewhere"


def pages(console: Console) -> dict[str, str]:
    one = f"/recordings/{console.defective}"
    return {
        "list": "/recordings",
        "one": one,
        "film": f"/recordings/{console.verified}",
        "confirm": f"{one}/verify",
    } | {
        "notifications": "/notifications",
        "messages": "/messages",
        "usage": "/usage",
        "actions": "/actions",
        "new": "/recordings/new",
        "no such": "/recordings/rec_nobody",
    }


async def test_the_list_leads_to_a_recording_and_says_how_it_is(console: Console) -> None:
    async with console.page(console.token) as page:
        rows = page.locator("tbody tr")
        await expect(rows).to_have_count(2)
        await expect(rows.nth(1)).to_contain_text("verified")
        await expect(rows.nth(1)).to_contain_text("room=7")
        await page.get_by_role("link", name="room/42").click()
        await expect(page.locator("h1")).to_contain_text("verified")
        await expect(page.get_by_text("stop requested", exact=True)).to_be_visible()


async def test_search_and_filters_find_a_recording_by_id_label_sid_and_state(console: Console) -> None:
    sid = (await console.house.shown(console.verified))["attempts"][0]["sid"]
    async with console.page(console.token) as page:

        async def search(text: str) -> None:
            await page.goto(f"{console.url}/recordings")
            await page.get_by_role("searchbox").fill(text)
            await page.get_by_role("button", name="Show").click()

        for text in (console.verified, console.verified.removeprefix("rec_").lower(), console.verified[:20], sid):
            await search(text)
            await expect(page).to_have_url(f"{console.url}/recordings/{console.verified}")
        await search("course:physics")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await search("course:chemistry")
        await expect(page.get_by_text("No matching recordings.")).to_be_visible()
        await search("<b>what?</b>")
        await expect(page.get_by_text("No recording matches “<b>what?</b>”.")).to_be_visible()
        await expect(page.get_by_role("main")).to_contain_text("a part of the page's address or of a label")
        for text in ("course=physics", "PHYSICS", "Room/42", "https://class.example.org/room/42?recorder=1#top"):
            await search(text)
            await expect(page.locator("tbody tr")).to_have_count(1)
            await expect(page.locator("tbody tr")).to_contain_text("room/42")
        await search(f"{console.url}/recordings/{console.verified}?done=start")
        await expect(page).to_have_url(f"{console.url}/recordings/{console.verified}")
        await page.goto(f"{console.url}/recordings")
        await page.get_by_role("link", name="Needs review 1").click()
        await expect(page.locator("tbody tr")).to_have_count(1)
        await expect(page.locator("tbody tr")).to_contain_text("room/13")


async def test_a_state_changes_on_the_page_without_a_reload_and_actions_are_confirmed_and_noted(
    console: Console,
) -> None:
    async with console.page(console.token) as page:
        await page.evaluate("window.stayed = true")
        made = await console.house.start(url="https://class.example.org/live", av_file_type=["hls"])
        await expect(page.locator("tbody tr")).to_have_count(3)
        await expect(page.locator("tbody tr").first).to_contain_text("recording", timeout=10_000)
        assert await page.evaluate("window.stayed") is True
        await page.get_by_role("link", name="class.example.org/live").click()

        for action, state in (("Pause", "Resume"), ("Resume", "Pause")):
            await page.get_by_role("link", name=action, exact=True).click()
            await page.get_by_role("button", name=action, exact=True).click()
            await expect(page.get_by_role("link", name=state, exact=True)).to_be_visible(timeout=10_000)
            await expect(page.get_by_text("on hold", exact=True)).to_have_count(int(action == "Pause"), timeout=10_000)
        await page.get_by_role("link", name="Stop").click()
        await page.get_by_role("link", name="Cancel").click()
        assert (await console.house.shown(made))["state"] == "recording"
        await page.get_by_role("link", name="Stop").click()
        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator("h1")).to_contain_text("verified", timeout=30_000)
        await expect(page.get_by_role("status")).to_have_count(0)
    by = console.token.split("_")[1]
    asked = {entry["kind"]: entry["detail"].get("by") for entry in await console.house.timeline(made)}
    assert {asked[kind] for kind in ("pause_requested", "resume_requested", "stop_requested")} == {by}


async def test_the_film_plays_and_missing_time_is_red(console: Console) -> None:
    async with console.page(console.token) as page:
        await page.goto(f"{console.url}/recordings/{console.verified}")
        await page.get_by_text("HLS: all slices as one stream").click()
        assert await page.locator("video").count() == 2
        for label in ("Recording, MP4 1", "Recording, HLS"):
            await _plays(page.get_by_label(label))
        await expect(page.locator("rect.missing")).to_have_count(0)
        await page.goto(f"{console.url}/recordings/{console.defective}")
        await expect(page.locator("rect.missing")).to_have_count(1)
        await expect(page.locator("rect.missing title")).to_contain_text("slice missing")
        red = await page.locator("rect.missing").evaluate("(bar) => getComputedStyle(bar).fill")
        assert red == "rgb(211, 32, 47)"
        await expect(page.locator(".findings").last).to_contain_text("but the bucket does not hold it")
        await expect(page.get_by_text(re.compile("^Stopped by a caller at .*; recorded from "))).to_be_visible()


async def test_a_link_at_missing_time_leads_to_its_place_in_the_film(console: Console) -> None:
    async with console.page(console.token) as page:
        await page.goto(f"{console.url}/recordings/{console.defective}")
        film = page.locator("#film-hls")
        for place in (page.get_by_role("link", name="Play from shortly before it"), page.locator("rect.missing")):
            await film.evaluate("(film) => { film.pause(); film.currentTime = 3; }")
            seconds = float(await place.get_attribute("data-seconds") or "")
            await place.click()
            await expect(film).to_be_focused()
            await expect(film).to_be_in_viewport()
            assert seconds <= await film.evaluate("(film) => film.currentTime") < 3


async def test_a_page_that_stays_open_shows_film_files_and_pictures_when_it_is_over(console: Console) -> None:
    house = console.house
    made = await house.start(url="https://class.example.org/left-open", av_file_type=["hls", "mp4"], level="content")
    async with console.page(console.token) as page:
        await page.goto(f"{console.url}/recordings/{made}?done=start")
        await page.evaluate("window.stayed = true")
        await expect(page.get_by_text("There is nothing to play yet.")).to_be_visible()
        await house.slices(made, 4)
        await house.do(made, "stop")
        await expect(page.locator("h1")).to_contain_text("verified", timeout=30_000)
        await expect(page.get_by_role("status")).to_have_count(0)
        await _plays(page.get_by_label("Recording, MP4 1"))
        await expect(page.get_by_role("img", name=re.compile("^Poster"))).to_be_visible(timeout=20_000)
        files = page.get_by_text(re.compile(r"^\d+ files$"))
        await files.click()
        await expect(page.get_by_role("region", name="Files")).to_contain_text(".mp4")
        await expect(page.get_by_text("nothing to play")).to_have_count(0)
        assert await page.evaluate("window.stayed") is True


async def test_what_was_asked_for_is_announced_until_it_takes_effect_and_not_again(console: Console) -> None:
    made = await console.house.ask(url="https://class.example.org/banner", start_at=_in_hours(30))
    async with console.page(console.token) as page:
        await page.goto(f"{console.url}/recordings/{made}?done=start")
        await expect(page.get_by_role("status")).to_contain_text("The recording was requested")
        await console.house.do(made, "stop")
        await expect(page.locator("h1")).to_contain_text("cancelled", timeout=20_000)
        await expect(page.get_by_role("status")).to_have_count(0)
        await page.reload()
        await expect(page.locator("h1")).to_contain_text("cancelled")
        await expect(page.get_by_role("status")).to_have_count(0)


def _in_hours(hours: float) -> str:
    return datetime.fromtimestamp(time.time() + hours * 3600, UTC).isoformat(timespec="seconds")


async def test_planned_recordings_say_when_they_start_and_the_next_comes_first(console: Console) -> None:
    house, starts = console.house, {"late": 50.5, "soon": 20.5}
    made = {
        name: await house.ask(
            url=f"https://class.example.org/{name}", start_at=_in_hours(hours), stop_at=_in_hours(hours + 1.5)
        )
        for name, hours in starts.items()
    }
    try:
        async with console.page(console.token) as page:
            await page.get_by_role("link", name="Planned 2").click()
            rows = page.locator("tbody tr")
            await expect(rows).to_have_count(2)
            for number, name, starts_in in ((0, "/soon", "in 20 h"), (1, "/late", "in 2 d 2 h")):
                for text in (name, starts_in, "1 h 30 min planned"):
                    await expect(rows.nth(number)).to_contain_text(text)
            exact = await rows.nth(0).locator("time").get_attribute("title")
            assert exact is not None
            assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", exact)
            await page.get_by_role("link", name="class.example.org/soon").click()
            facts = page.locator("dl.facts > div")
            for name, value in (("Starts", "in 20 h"), ("Stops", "in 21 h"), ("Length", "1 h 30 min planned")):
                await expect(facts.filter(has_text=name).first).to_contain_text(value)
            await expect(page.get_by_role("region", name="Explanation")).to_contain_text("It is planned and starts at")
    finally:
        for each in made.values():
            await house.do(each, "stop")


async def test_a_recording_with_warnings_has_a_word_and_a_colour_of_its_own_and_the_list_shows_its_picture(
    console: Console,
) -> None:
    def mark(codes: str, warned: bool) -> None:
        path = console.house.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=30)) as database, database:
            change = "UPDATE recordings SET warned = ?, document = json_set(document, '$.warned', json(?)) WHERE id = ?"
            database.execute(change, (warned, codes, console.verified))

    mark('["picture_blank", "sound_silent"]', True)
    try:
        async with console.page(console.token) as page:
            await page.get_by_role("link", name="Verified with warnings 1").click()
            row = page.locator("tbody tr")
            await expect(row).to_have_count(1)
            await expect(row).to_contain_text("verified, with warnings")
            await expect(row).to_contain_text("picture blank, sound silent")
            picture = row.locator("img")
            assert await picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") >= 300
            colours = {await _colour(row.locator(".chip"))}
            await page.get_by_role("link", name="room/42").click()
            await expect(page.locator("h1")).to_contain_text("verified, with warnings")
            why = page.get_by_role("region", name="Explanation")
            await expect(why).to_contain_text("pagereel-emulator check-page URL")
            await expect(why).to_contain_text("Listen to it")
    finally:
        mark("[]", False)
    async with console.page(console.token) as page:
        await expect(page.get_by_role("link", name="Verified with warnings 0")).to_be_visible()
        for name in ("room/42", "room/13"):
            colours.add(await _colour(page.locator("tbody tr").filter(has_text=name).locator(".chip").first))
    assert len(colours) == 3


async def test_a_recording_of_which_nothing_was_recorded_has_a_page(console: Console) -> None:
    def be(state: str) -> None:
        path = console.house.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=30)) as database, database:
            change = "UPDATE recordings SET state = ?, document = json_set(document, '$.state', ?) WHERE id = ?"
            database.execute(change, (state, state, console.verified))

    try:
        for state in ("failed", "cancelled"):
            be(state)
            async with console.page(console.token) as page:
                answer = await page.goto(f"{console.url}/recordings/{console.verified}")
                assert answer is not None
                assert answer.status == 200
                await expect(page.locator("h1")).to_contain_text(state)
                await expect(page.get_by_text("Latest verification", exact=True)).to_be_visible()
    finally:
        be("verified")


async def _colour(chip: Locator) -> str:
    return str(await chip.evaluate("(chip) => getComputedStyle(chip).backgroundColor"))


async def test_a_stop_is_offered_only_where_something_runs(console: Console) -> None:
    house = console.house
    ended = await house.start(url="https://class.example.org/ended", av_file_type=["hls"])
    await house.slices(ended, 2)
    slices = [key for key in await house.store.keys(prefix_of(ended)) if key.endswith(".ts")]
    await house.store.delete(min(slices))
    async with console.page(console.token) as page:
        await page.goto(f"{console.url}/recordings/{ended}")
        await expect(page.get_by_role("link", name="Stop", exact=True)).to_be_visible()
        stop_at = {"stop_at": rfc3339(time.time() + 4)}
        await house.call("PATCH", f"/v1/recordings/{ended}", json=stop_at, expect=200)
        await expect(page.locator("h1")).to_contain_text("incomplete", timeout=30_000)
        await expect(page.get_by_role("link", name="Stop", exact=True)).to_have_count(0)
        await expect(page.get_by_text("Next verification", exact=True)).to_be_visible()
        await expect(page.get_by_text("Gives up at", exact=True)).to_be_visible()


async def test_a_message_shows_its_body_its_next_try_and_what_was_answered_last(console: Console) -> None:
    async def refused() -> bool:
        tried = "SELECT count(*) FROM deliveries WHERE last_status = 422 AND answer IS NOT NULL"
        return await console.house.rows(tried) != [(0,)]

    await eventually(refused, 20)
    async with console.page(console.token) as page:
        await page.goto(f"{console.url}/messages")
        row = page.locator("tbody tr").filter(has_text="422").first
        await expect(row).to_contain_text("ago")
        await row.get_by_text("Body and response").click()
        body, answer = row.locator("pre").nth(0), row.locator("pre").nth(1)
        await expect(body).to_contain_text('"type": "recording.')
        await expect(row).to_contain_text("Last response: status 422")
        assert await answer.inner_text() == ANSWER[:1024]
    stored = await console.house.rows("SELECT answer FROM deliveries WHERE answer IS NOT NULL")
    assert all(b"course" not in answer for (answer,) in stored), "answers are sealed at rest"


async def _plays(video: Locator) -> None:
    await video.evaluate("async (video) => { video.muted = true; await video.play(); }")
    frames = "(video) => video.getVideoPlaybackQuality().totalVideoFrames"
    first = await video.evaluate(frames)

    async def goes_on() -> bool:
        return bool(await video.evaluate(frames) > first + 5)

    await eventually(goes_on, 10, "new pictures are shown")
    assert await video.evaluate("(video) => [video.videoWidth, video.videoHeight]") == [320, 240]
    assert 3 < await video.evaluate("(video) => video.duration") < 8
    await video.evaluate("(video) => video.pause()")


async def test_a_page_says_why_and_shows_pictures_and_who_asked_for_what(console: Console) -> None:
    async with console.page(console.token) as page:
        await page.goto(f"{console.url}/recordings/{console.verified}")
        await expect(page.get_by_role("region", name="Explanation")).to_contain_text(
            "The recording is in the bucket, and Pagereel checked its files"
        )
        for name in ("Poster", "Contact sheet"):
            picture = page.get_by_role("img", name=re.compile(f"^{name}"))
            await picture.scroll_into_view_if_needed()
            await expect(picture).to_be_visible()
            wide = "(image) => image.decode().then(() => image.naturalWidth)"
            assert await picture.evaluate(wide) >= 300
        await page.goto(f"{console.url}/recordings/{console.defective}")
        why = page.get_by_role("region", name="Explanation")
        await expect(why).to_contain_text("What to do")
        await why.get_by_text("Evidence").click()
        await expect(why.get_by_role("listitem").first).to_be_visible()
        await page.get_by_role("link", name="Usage").click()
        await expect(page.get_by_role("main")).to_contain_text("up to 1280 × 720")
        await page.get_by_role("link", name="←").click()
        await expect(page.get_by_text("No recordings in this month.")).to_be_visible()
        await page.get_by_role("link", name="Actions").click()
        mine = page.locator("tbody tr").filter(has_text=console.verified)
        await expect(mine).to_have_count(2)
        await expect(mine.first).to_contain_text("stop")
        await expect(mine.first).to_contain_text("class.example.org/room/42")
        await expect(mine.first).to_contain_text("course=physics")
        await expect(mine.first).to_contain_text(console.token.split("_")[1])


async def test_a_colour_of_the_legend_stays_with_its_word_on_every_phone(console: Console) -> None:
    async with console.page(console.token, **PHONE) as page:
        await page.goto(f"{console.url}/recordings/{console.verified}")
        pairs = page.locator(".legend .pair")
        await expect(pairs).to_have_count(4)
        for width in range(300, 480, 10):
            await page.set_viewport_size({"width": width, "height": 740})
            lines = await pairs.evaluate_all("all => all.map(one => one.getClientRects().length)")
            assert lines == [1, 1, 1, 1], width


@pytest.mark.parametrize("how", [{}, PHONE], ids=["desk", "phone"])
async def test_ids_are_not_broken_across_lines(console: Console, how: dict[str, object]) -> None:
    sid = (await console.house.shown(console.verified))["attempts"][0]["sid"]
    lines = "(code) => { const range = document.createRange(); range.selectNodeContents(code); "
    lines += "return new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size; }"
    async with console.page(console.token, **how) as page:
        row = page.get_by_role("row").filter(has_text="room/42").locator("code")
        assert await row.evaluate(lines) == 1
        await page.goto(f"{console.url}/recordings/{console.verified}")
        for text in (console.verified, sid):
            assert await page.locator("code", has_text=text).first.evaluate(lines) == 1, text
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


async def test_a_recording_is_asked_for_and_what_is_wrong_is_said_at_its_field(console: Console) -> None:
    async with console.page(console.token) as page:
        await page.get_by_role("link", name="Record a page").click()
        await expect(page.get_by_text("pagereel-emulator check-page URL")).to_be_visible()
        await page.get_by_text("App, storage, preset").click()
        await page.get_by_label("App", exact=True).select_option("main")
        await expect(page.get_by_label("Preset").locator("option").first).to_have_text("default")
        await page.get_by_label("URL of the page").fill("https://10.0.0.1/lesson?ticket=secret")
        await page.get_by_label("Length in minutes").fill("soon")
        await page.get_by_role("button", name="Record").click()
        await expect(page.get_by_role("alert")).to_contain_text("Nothing was started")
        await expect(page.locator("#minutes-about")).to_contain_text("whole number of minutes")
        await expect(page.locator("#url-about")).to_contain_text("public")
        await expect(page.get_by_role("alert")).to_contain_text("Correct 2 fields")
        await expect(page.get_by_label("URL of the page")).to_be_focused()
        await expect(page.get_by_label("Length in minutes")).to_have_value("soon")
        await page.get_by_label("Length in minutes").fill("1")
        await page.get_by_label("URL of the page").fill("")
        await page.get_by_label("Labels").fill("no pair")
        await page.get_by_role("button", name="Record").click()
        await expect(page.locator("#url-about")).to_contain_text("URL of the page:")
        await expect(page.locator("#label-about")).to_contain_text("the line “no pair” is not name=value")
        await expect(page.get_by_label("URL of the page")).to_be_focused()
        await page.get_by_label("URL of the page").fill("https://class.example.org/asked?ticket=secret")
        await page.get_by_label("Sound").select_option("the page makes no sound")
        await page.get_by_label("Labels").fill("Room=7")
        await page.get_by_role("button", name="Record").click()
        await expect(page.locator("#label-about")).to_contain_text("“Room” is no key")
        await page.get_by_label("Labels").fill("asked=here\n\ncourse: physics")
        await page.get_by_role("button", name="Record").click()
        await expect(page.locator("h1")).to_contain_text("class.example.org/asked?…")
        await expect(page.locator("h1")).to_contain_text("recording", timeout=20_000)
        await expect(page.get_by_text("not expected: silence is accepted")).to_be_visible()
        for label in ("asked=here", "course=physics"):
            await expect(page.get_by_text(label, exact=True)).to_be_visible()
        await page.get_by_role("link", name="Stop").click()
        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator("h1")).to_contain_text("verified", timeout=30_000)


async def test_a_notification_is_replayed_by_an_operator(console: Console) -> None:
    async with console.page(console.token) as page:
        await page.get_by_role("link", name="Notifications").click()
        await page.get_by_label("Outcome").select_option("foreign (another system)")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.get_by_text("Replay", exact=True).click()
        await page.get_by_role("button", name="Replay number").click()
        await expect(page).to_have_url(f"{console.url}/notifications")

    async def understood_again() -> bool:
        rows = await console.house.rows("SELECT outcome FROM notifications WHERE notice_id LIKE 'notice-nobody%'")
        return rows == [("foreign",)]

    await eventually(understood_again, 10)


async def test_a_message_that_was_given_up_is_sent_again(console: Console) -> None:
    path = console.house.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=10)) as database, database:
        first = "SELECT message_id FROM deliveries ORDER BY message_id LIMIT 1"
        database.execute(f"UPDATE deliveries SET state = 'dead' WHERE message_id = ({first})")
    async with console.page(console.token) as page:
        await page.get_by_role("link", name="Messages").click()
        await expect(page.get_by_role("main")).to_contain_text("1 given up")
        await page.get_by_label("State").select_option("given up")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.get_by_text("Send again", exact=True).click()
        await page.get_by_role("button", name=re.compile("again")).click()
        await expect(page).to_have_url(f"{console.url}/messages")
        assert await console.house.rows("SELECT count(*) FROM deliveries WHERE state = 'dead'") == [(0,)]


async def test_a_wrong_token_gets_nothing_and_another_owner_sees_nothing(console: Console) -> None:
    reader = console.house.tokens["reader"]
    async with console.page() as page:
        for path in pages(console).values():
            await page.goto(console.url + path)
            await expect(page).to_have_url(f"{console.url}/login")
        for token in ("prl_bootstrap_wrong", "nonsense", f"{console.token}0"):
            await page.get_by_label("API token").fill(token)
            await page.get_by_role("button", name="Log in").click()
            await expect(page.get_by_role("alert")).to_contain_text("not valid")
    async with console.page(reader) as page:
        await expect(page.get_by_text("No recordings yet.")).to_be_visible()
        await expect(page.get_by_role("link", name="Notifications")).to_have_count(0)
        expected = {
            "list": 200,
            "one": 404,
            "film": 404,
            "confirm": 403,
            "notifications": 403,
            "messages": 200,
            "usage": 200,
            "actions": 200,
            "new": 403,
            "no such": 404,
        }
        found = {}
        for name, path in pages(console).items():
            answer = await page.goto(console.url + path)
            assert answer is not None
            found[name] = answer.status
        assert found == expected
        await page.get_by_role("button", name="Log out").click()
        await page.goto(f"{console.url}/recordings")
        await expect(page).to_have_url(f"{console.url}/login")
    assert console.house.token == console.token


async def test_a_form_from_elsewhere_or_without_its_key_does_nothing(console: Console) -> None:
    url, verify = console.url, f"{console.url}/recordings/{console.defective}/verify"
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(cookie_jar=jar) as http:

        async def post(to: str, form: dict[str, str], **headers: str) -> aiohttp.ClientResponse:
            async with http.post(to, data=form, headers=headers, allow_redirects=False) as answer:
                await answer.read()
                return answer

        login = await post(f"{url}/login", {"token": console.token})
        cookie = SimpleCookie(login.headers["Set-Cookie"])["pagereel_console"]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/console")
        assert console.token.split("_")[2] not in cookie.value
        mine = {"Cookie": f"pagereel_console={cookie.value}"}
        async with http.get(verify, headers=mine) as answer:
            form_key = re.findall(r'name="form_key" value="(\w+)"', await answer.text())[0]
            policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        before = len(await console.house.timeline(console.defective))
        good = {"form_key": form_key}
        assert (await post(verify, {}, **mine)).status == 403
        assert (await post(verify, {"form_key": "0" * 32}, **mine)).status == 403
        assert (await post(verify, good, **mine, Origin="https://evil.example.org")).status == 403
        assert (await post(verify, good, **mine, **{"Sec-Fetch-Site": "cross-site"})).status == 403
        assert (await post(verify, good)).status == 303, "without a session: to the log-in"
        assert (await post(f"{url}/login", {"token": console.token}, Origin="https://evil.example.org")).status == 403
        broken = cookie.value[:-8] + "AAAAAAA="
        assert (await post(verify, good, Cookie=f"pagereel_console={broken}")).headers["Location"].endswith("/login")
        kinds = [entry["kind"] for entry in await console.house.timeline(console.defective)][before:]
        assert "verify_requested" not in kinds
        assert (await post(verify, good, **mine)).headers["Location"].endswith("?done=verify")


@pytest.mark.parametrize("how", [{}, DARK, PHONE], ids=["light", "dark", "phone"])
async def test_no_page_has_a_serious_accessibility_fault_and_none_is_wider_than_the_screen(
    console: Console, how: dict[str, object]
) -> None:
    axe = Axe()
    async with console.page(console.token, **how) as page:
        for path in ("/login", *pages(console).values()) if how is PHONE else list(pages(console).values())[:3]:
            await page.goto(console.url + path)
            found = await axe.run(page)
            serious = [
                (fault["id"], [node["html"][:120] for node in fault["nodes"][:3]])
                for fault in found.response["violations"]
                if fault["impact"] in ("serious", "critical")
            ]
            assert serious == [], path
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (dark == "rgb(16, 19, 24)") is (how is DARK)


async def test_the_keyboard_alone_is_enough(console: Console) -> None:
    async with console.page(**PHONE) as page:
        await page.goto(f"{console.url}/login")
        await expect(page.get_by_label("API token")).to_be_focused()
        await page.keyboard.type(console.token)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console/recordings")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        here = "document.activeElement.matches('a') ? document.activeElement.innerText : ''"
        for _ in range(30):
            await page.keyboard.press("Tab")
            if "room/13" in await page.evaluate(here):
                break
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{console.url}/recordings/{console.defective}")


async def test_without_scripts_everything_can_still_be_done(console: Console) -> None:
    async with console.page(console.token, java_script_enabled=False) as page:
        await page.goto(f"{console.url}/recordings/{console.defective}")
        await page.get_by_role("link", name="Verify again").click()
        await page.get_by_role("button", name="Verify again").click()
        await expect(page.get_by_role("region", name="History")).to_contain_text("verify requested")


async def test_no_secret_is_on_any_page(console: Console) -> None:
    async with console.page(console.token) as page:
        for path in pages(console).values():
            await page.goto(console.url + path)
            content = await page.content()
            for secret in ("recorder=1", NCS_SECRET, TOKEN, console.token, "customer-secret"):
                assert secret not in content, path
