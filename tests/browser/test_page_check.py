"""The page check: each page breaks the rules it was made to break and no other, and the clean ones break none."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from click.testing import CliRunner
from page_site import self_signed, serving_pages

from emulator.browser.chromium import Chromium, Look, launch
from emulator.cli import main
from emulator.pagecheck.advice import advice_on_certificates, advice_on_error, advice_on_status
from emulator.pagecheck.command import print_all, progress, verdict_of
from emulator.pagecheck.rules import Judged, Limits, judge
from emulator.pagecheck.seen import Layout, Loaded, Media, Seen
from emulator.pagecheck.visit import Plan, visit
from emulator.process.workdir import make_home

ONE_LOOP = pytest.mark.asyncio(loop_scope="module")
QUICK = Plan(seconds=0.8, settle_seconds=0.2, load_seconds=10)
# A page of the site, the rules it breaks, and a part of the value that was measured.
PAGES = {
    "clean.html": {},
    "clean_media.html": {},
    "clean_downlink.html": {},
    "clean_fixed.html": {},
    "clean_app.html": {},
    "overlay.html": {"overlay": ("error", "div#consent waits for a click")},
    "overlay_siblings.html": {"overlay": ("error", "div#backdrop waits for a click")},
    "overlay_shadow.html": {"overlay": ("error", "div#wall waits for a click")},
    "overlay_modal.html": {"overlay": ("error", "dialog#tour waits for a click")},
    "overlay_curtain.html": {"overlay": ("warning", "div#curtain")},
    "clean_header.html": {},
    "clean_toolbar.html": {},
    "clean_chat.html": {},
    "clean_app_shell.html": {},
    "consent_bar.html": {"consent": ("warning", "div#cookies covers")},
    "consent_card.html": {"consent": ("warning", "aside#privacy covers")},
    "consent_click_through.html": {"consent": ("warning", "div#wrapper covers")},
    "consent_frame.html": {"consent": ("warning", "div#sp_message_container covers 2")},
    "consent_shadow.html": {"consent": ("warning", "div#bar covers")},
    "empty_white.html": {"empty": ("error", "all of it is #ffffff")},
    "empty_dark.html": {"empty": ("error", "all of it is #101418")},
    "empty_almost.html": {"empty": ("warning", "of it is not #ffffff")},
    "popup.html": {"windows": ("error", "window.open")},
    "popup_link.html": {"windows": ("error", "a new window")},
    "print.html": {"windows": ("error", "print")},
    "other_program.html": {"windows": ("error", "example-app:"), "redirect": ("error", "example-app:")},
    "other_program_frame.html": {"windows": ("error", "example-app:")},
    "other_program_embed.html": {"windows": ("error", "example-app:")},
    "other_program_hop.html": {"windows": ("error", "example-app:")},
    "layout.html": {"layout": ("error", "1280 × 1557 in 1280 × 720")},
    "cut.html": {"layout": ("warning", "2000 × 720 in 1280 × 720, cut off")},
    "scrolls_inside.html": {"scrolls_inside": ("warning", "1 part")},
    "video_size.html": {"video_size": ("error", "2560 × 1440")},
    "autoplay.html": {"autoplay": ("error", "1 of 1 never played")},
    "webgl.html": {"webgl": ("error", "webgl2")},
    "framed.html": {"webgl": ("error", "webgl2")},
    "downlink.html": {"downlink": ("error", "Mbit/s")},
    "uplink.html": {"uplink": ("error", "Mbit/s")},
    "socket_up.html": {"uplink": ("error", "Mbit/s")},
    "rtc_up.html": {"uplink": ("error", "Mbit/s")},
    "cpu.html": {"cpu": ("error", "main thread")},
    "memory.html": {"memory": ("error", "MiB")},
    "login.html": {"login": ("error", "password field found")},
    "dialog.html": {"dialog": ("error", "alert")},
    "hop": {"redirect": ("warning", "/clean.html")},
    "leaves.html": {"redirect": ("warning", "/clean.html")},
    "away": {"redirect": ("error", "http://localhost")},
    "once/page": {"reload": ("error", "it answers 403")},
    "reload_state.html": {"reload": ("error", "characters of text instead of")},
    "reload_login.html": {"reload": ("error", "it asks for a log-in")},
    "capture.html": {"capture": ("warning", "microphone, camera")},
    "publishes.html": {"publishes": ("warning", "video")},
    "requests.html": {"requests": ("warning", "404 http://127.0.0.1")},
    "scripts.html": {"scripts": ("warning", "the board is empty, ReferenceError")},
    "status/404": {"opens": ("error", "404")},
    "status/503": {"opens": ("error", "503")},
}
# A page, the seconds in which it has to say that it is ready, and what is wrong with it then.
READY: list[tuple[str, float, dict[str, tuple[str, str]]]] = [
    ("ready.html", 8, {}),
    ("ready_late.html", 8, {}),
    ("ready_late.html", 0.6, {"ready": ("error", "after {:.1f} s")}),
    ("clean.html", 0.6, {"ready": ("error", "never")}),
    ("ready_once.html", 2, {"ready": ("error", "but not after the reload")}),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Chromium]:
    """One browser for all pages."""
    with make_home() as home:
        async with launch(home, Look(1280, 720)) as running:
            yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pages() -> AsyncIterator[str]:
    async with serving_pages() as url:
        yield url


def broken(judged: list[Judged]) -> dict[str, tuple[str, str]]:
    assert all(bool(one.advice) is bool(one.severity) for one in judged)
    return {one.code: (one.severity, one.value) for one in judged if one.severity is not None}


def compare(found: dict[str, tuple[str, str]], expected: dict[str, tuple[str, str]]) -> None:
    assert {code: severity for code, (severity, _) in found.items()} == {
        code: severity for code, (severity, _) in expected.items()
    }, found
    for code, (_, part) in expected.items():
        assert part in found[code][1], found


@pytest.mark.parametrize("page", PAGES)
@ONE_LOOP
async def test_each_rule_that_a_page_breaks_is_found_with_its_value_and_no_other(
    browser: Chromium, pages: str, page: str
) -> None:
    # What is told of media, of WebRTC and of what covers the page at the end is told every half second.
    seconds = 2.5 if page in ("rtc_up.html", "clean_media.html", "clean_fixed.html") else QUICK.seconds
    seen = await visit(browser, f"{pages}/{page}?token=private", replace(QUICK, seconds=seconds))
    judged = judge(seen, Limits(memory_bytes=400 * 1024**2))
    compare(broken(judged), PAGES[page])
    assert "private" not in repr(judged)


@pytest.mark.parametrize(("page", "seconds", "expected"), READY)
@ONE_LOOP
async def test_readiness_is_judged_where_it_is_asked_for(
    browser: Chromium, pages: str, page: str, seconds: float, expected: dict[str, tuple[str, str]]
) -> None:
    """It is waited for after the load and after the reload, longer than a page without it has to settle."""
    seen = await visit(browser, f"{pages}/{page}", replace(QUICK, ready_seconds=seconds))
    assert "ready" not in broken(judge(seen, Limits()))
    called = seen.first.ready_seconds
    assert page != "ready_late.html" or (called is not None and called >= 0.7)
    said = {code: (severity, value.format(called)) for code, (severity, value) in expected.items()}
    compare(broken(judge(seen, Limits(ready_seconds=seconds))), said)


@ONE_LOOP
async def test_a_bad_certificate_and_a_closed_port_are_told_apart(browser: Chromium, tmp_path: Path) -> None:
    async with serving_pages(self_signed(tmp_path)) as url:
        seen = await visit(browser, f"{url}/clean.html", QUICK)
    compare(broken(judge(seen, Limits())), {"certificate": ("error", "ERR_CERT_AUTHORITY_INVALID")})
    seen = await visit(browser, f"{url}/clean.html", QUICK)
    compare(broken(judge(seen, Limits())), {"opens": ("error", "ERR_CONNECTION_REFUSED")})


@ONE_LOOP
async def test_a_busy_main_thread_is_measured_by_itself(browser: Chromium, pages: str) -> None:
    """The cores that the browser takes are another measure, over another limit."""
    assert (await visit(browser, f"{pages}/cpu.html", QUICK)).busy > Limits().busy
    assert (await visit(browser, f"{pages}/clean.html", QUICK)).busy < Limits().busy


@pytest.mark.parametrize(
    ("busy", "starved", "cpu", "expected"),
    [
        (0.88, 0.0, 0.9, ("error", True)),
        (0.88, 0.05, 0.9, ("error", True)),
        (0.88, 0.7, 0.17, (None, False)),
        (1.0, 0.6, 0.4, ("error", True)),
        (0.97, 0.3, 0.6, ("error", True)),
        (0.9, 1.0, 0.1, (None, False)),
        (0.6, 0.5, 0.3, (None, True)),
        (0.88, 0.7, 2.5, ("error", True)),
    ],
)
def test_waiting_for_a_core_is_not_the_pages_work(
    busy: float, starved: float, cpu: float, expected: tuple[str | None, bool]
) -> None:
    """Where it decides, the rule was not measured, and says why."""
    seen = Seen(10, first=Loaded(status=200), busy=busy, starved=starved, cpu=cpu)
    found = next(one for one in judge(seen, Limits()) if one.code == "cpu")
    assert (found.severity, found.measured) == expected
    assert found.measured or found.value == f"this machine had no core free for {starved:.0%} of the time"


@ONE_LOOP
async def test_bytes_are_counted_as_they_are(browser: Chromium, pages: str) -> None:
    seen = await visit(browser, f"{pages}/clean_downlink.html", QUICK)
    assert 1_000_000 <= sum(seen.traffic.down.values()) < 1_002_000, "two bodies of 500,000 bytes, and headers"


def test_a_verdict_is_that_of_the_worst_finding() -> None:
    fine, risk, fault = (Judged("a", "", "", severity) for severity in (None, "warning", "error"))
    assert [verdict_of(found) for found in ([fine], [fine, risk], [risk, fault, fine])] == ["fit", "risky", "unfit"]


@ONE_LOOP
async def test_the_command_says_every_rule_writes_the_picture_and_ends_by_its_verdict(
    pages: str, tmp_path: Path
) -> None:
    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["check-page", *words])
        return done.exit_code, done.output

    picture = tmp_path / "page.png"
    words = (f"{pages}/layout.html?token=private", "--seconds", "1", "--size", "800x600", "--screenshot", str(picture))
    code, output = await asyncio.to_thread(run, *words, "--json")
    found = json.loads(output)
    assert (code, found["verdict"], found["size"]) == (1, "unfit", [800, 600])
    assert [rule["value"] for rule in found["rules"] if rule["code"] == "layout"] == ["content 800 × 1557 in 800 × 600"]
    assert "private" not in output
    assert struct.unpack(">II", picture.read_bytes()[16:24]) == (800, 600)
    code, output = await asyncio.to_thread(run, f"{pages}/status/503", "--seconds", "1")
    lines = output.splitlines()
    assert (code, lines[0]) == (1, "FAIL          opens           the page opens: 503")
    assert lines[1].endswith("→ " + advice_on_status(503))
    assert lines[-2:] == ["1 failed, 23 not measured, 1 ok", f"cannot be recorded: {pages}/status/503"]
    for wrong in (("ftp://x/",), ("http://x/", "--size", "99x99"), ("http://x/", "--size", "1920x1200")):
        assert run(*wrong)[0] == 2


def test_a_screenshot_of_an_earlier_check_is_not_left_as_if_it_were_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def checked(*_: object) -> list[Judged]:
        return [Judged("opens", "", "", "error")]

    monkeypatch.setattr("emulator.pagecheck.command.check_page", checked)
    (tmp_path / "page.png").write_bytes(b"an earlier one")
    done = CliRunner().invoke(main, ["check-page", "http://x.example/", "--screenshot", str(tmp_path / "page.png")])
    assert "no screenshot was taken" in done.stderr
    assert not list(tmp_path.iterdir())


PUBLIC = ("https://app.example.com/room", "https://8.8.8.8/", "https://[2606:4700:4700::1111]/")
LOCAL = ("http://127.0.0.1/", "http://localhost:3000/", "http://10.1.2.3/", "http://[::1]/", "http://box.local/")


@pytest.mark.parametrize("url", [*PUBLIC, *LOCAL])
def test_a_page_that_agora_cannot_reach_is_told_from_others(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def checked(*_: object) -> list[Judged]:
        return [Judged("ready", "", "")]

    monkeypatch.setattr("emulator.pagecheck.command.check_page", checked)
    done = CliRunner().invoke(main, ["check-page", url])
    assert (done.exit_code, "Agora's recorder cannot reach" in done.output) == (0, url in LOCAL)
    found = json.loads(CliRunner().invoke(main, ["check-page", url, "--json"]).output)
    assert found["public"] is (url in PUBLIC)


def test_the_timeout_of_the_recording_is_both_waited_for_and_judged_by(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float | None] = []

    async def checked(_: str, plan: Plan, limits: Limits, __: object) -> list[Judged]:
        asked.extend((plan.ready_seconds, limits.ready_seconds))
        return [Judged("ready", "", "")]

    monkeypatch.setattr("emulator.pagecheck.command.check_page", checked)
    for words, expected in ((("--ready-timeout", "7"), 7), ((), None)):
        done = CliRunner().invoke(main, ["check-page", "http://127.0.0.1/", *words])
        assert (done.exit_code, asked[-2:]) == (0, [expected, expected]), done.output


ERRORS = {
    "net::ERR_NAME_NOT_RESOLVED": "DNS",
    "net::ERR_CONNECTION_REFUSED": "Nothing listens",
    "net::ERR_CONNECTION_TIMED_OUT": "firewall",
    "no answer within 30 s": "firewall",
    "net::ERR_EMPTY_RESPONSE": "closed the connection",
    "net::ERR_INVALID_HTTP_RESPONSE": "is not HTTP",
    "net::ERR_PROXY_CONNECTION_FAILED": "proxy",
    "net::ERR_TUNNEL_CONNECTION_FAILED": "proxy",
    "net::ERR_TOO_MANY_REDIRECTS": "in a circle",
    "net::ERR_ABORTED": "download",
    "net::ERR_INVALID_AUTH_CREDENTIALS": "(401)",
    "net::ERR_CERT_DATE_INVALID": "Renew",
    "net::ERR_SSL_PROTOCOL_ERROR": "handshake",
    "net::ERR_NEVER_HEARD_OF": "another network",
}
STATUSES = {401: "log-in", 403: "forbids", 404: "no page", 418: "refuses", 429: "limits", 502: "server fails"}


def test_the_advice_on_a_page_that_does_not_open_is_that_of_its_error() -> None:
    for error, word in ERRORS.items():
        assert word in advice_on_error(error), error
    for status, word in STATUSES.items():
        assert word in advice_on_status(status), status
    assert len({advice_on_error(error) for error in ERRORS}) == len(ERRORS) - 2
    both = ["ERR_CERT_DATE_INVALID at https://a.test/", "ERR_CERT_NO_SUCH at https://b.test/"]
    assert advice_on_certificates(both).startswith("Renew the certificate: it has expired, or is not valid yet. Use a")


@ONE_LOOP
@pytest.mark.parametrize("path", ["status/404", "nothing listens"])
async def test_of_a_page_that_does_not_open_nothing_is_called_ok(browser: Chromium, pages: str, path: str) -> None:
    url = "http://127.0.0.1:9/" if path == "nothing listens" else f"{pages}/{path}"
    judged = judge(await visit(browser, url, QUICK), Limits())
    good = {one.code for one in judged if one.measured and one.severity is None}
    assert good <= {"redirect"}
    assert {one.value for one in judged if not one.measured} <= {"the page did not open", "nothing came over TLS"}


@ONE_LOOP
async def test_what_is_not_measured_is_not_called_ok(browser: Chromium, pages: str) -> None:
    judged = judge(await visit(browser, f"{pages}/clean.html", QUICK), Limits())
    unknown = {one.code: one.value for one in judged if not one.measured}
    assert unknown.keys() == {"certificate", "sound", "ready"}
    assert unknown["certificate"] == "nothing came over TLS"
    assert "--ready-timeout (never)" in unknown["ready"]
    blind = judge(Seen(1.0, first=Loaded(200)), Limits())
    assert {"overlay", "consent", "layout", "login", "webgl", "empty", "memory", "reload"} <= {
        one.code for one in blind if not one.measured
    }
    waits = replace_media(Media("video", 0, 0, autoplay=False, played=False))
    assert ("video_size", False) in {(one.code, one.measured) for one in judge(waits, Limits())}


def replace_media(media: Media) -> Seen:
    layout = Layout(1280, 720, 1280, 720, cut=False, text=9, title="")
    return Seen(1.0, first=Loaded(200, layout=layout), media={"1:0": media})


@ONE_LOOP
async def test_a_page_that_goes_on_loading_is_told_of(browser: Chromium, pages: str) -> None:
    seen = await visit(browser, f"{pages}/drips", replace(QUICK, load_seconds=1.5))
    found = {one.code: (one.severity, one.value) for one in judge(seen, Limits()) if one.code == "opens"}
    assert found == {"opens": ("warning", "200, but it had not loaded when that was given up")}


def test_the_worst_is_printed_first_and_what_is_not_measured_by_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    print_all(
        [
            Judged("opens", "it opens", "200"),
            Judged("login", "no log-in", "nobody knows", measured=False),
            Judged("consent", "no bar", "a bar", "warning", "Hide it."),
            Judged("overlay", "nothing over it", "no layout", measured=False),
            Judged("layout", "one screen", "no layout", measured=False),
            Judged("webgl", "no WebGL", "webgl2", "error", "Draw otherwise."),
        ]
    )
    assert capsys.readouterr().out.splitlines() == [
        "FAIL          webgl           no WebGL: webgl2",
        "                                → Draw otherwise.",
        "warn          consent         no bar: a bar",
        "                                → Hide it.",
        "not measured  login           no log-in: nobody knows",
        "not measured  2 rules         no layout (overlay, layout)",
        "ok            opens           it opens: 200",
        "",
        "1 failed, 1 warned, 3 not measured, 1 ok",
    ]


def test_progress_is_for_terminals_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for terminal, quiet in ((False, False), (True, True), (True, False)):
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal)
        with progress(quiet=quiet) as tell:
            tell("opening the page")
        said = capsys.readouterr().err
        assert ("opening the page …" in said) is (terminal and not quiet)
        assert said.endswith("\x1b[2K") is (terminal and not quiet), "the line is cleared"


def test_every_page_that_was_made_is_opened() -> None:
    made = {path.name for path in (Path(__file__).parent / "pages").iterdir() if path.is_file()}
    assert made == {page for page in (*PAGES, *(page for page, *_ in READY)) if page.endswith(".html")}
