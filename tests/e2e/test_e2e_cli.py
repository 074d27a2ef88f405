"""The command line against a running service: what a person types, sees, and gets as an exit status."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import av
from house import PAGE, Forge, House, Living, eventually
from test_e2e_messages import endpoints, receiving


@dataclass
class Result:
    """What the terminal shows, and the exit status."""

    exit_code: int
    stdout: str


class Terminal:
    """Commands as processes of their own, as a person runs them; what they print on either stream is one text."""

    def __init__(self, forge: Forge, house: House, root: Path) -> None:
        self._forge, self._house, self._root = forge, house, root
        self._count = 0
        (root / "terminal-token").write_text(house.token)

    async def __call__(self, *words: str, token: str | None = None) -> Result:
        self._count += 1
        log, file = self._root / f"terminal{self._count}.log", self._root / "terminal-token"
        if token is not None:
            (file := self._root / "other-token").write_text(token)
        where = ["--url", self._house.api, "--token-file", str(file)]
        group = 2 if words[0] in ("notices", "messages", "endpoints") else 1
        pid = self._forge.ask(log=str(log), words=[*words[:group], *where, *words[group:]])
        codes: list[int] = []

        def ended() -> bool:
            code = self._forge.ask(poll=pid)
            if code is not None:
                codes.append(code)
            return code is not None

        await eventually(ended, 60, f"pagereel {' '.join(words)} ends")
        return Result(codes[0], log.read_text())


async def test_a_recording_from_the_first_word_to_its_files(forge: Forge, house: House, tmp_path: Path) -> None:
    typed = Terminal(forge, house, tmp_path)
    done = await typed("record", PAGE, "--for", "4s", "--label", "lesson=42", "--wait")
    assert done.exit_code == 0, done.stdout
    assert "verified" in done.stdout
    assert "coverage" in done.stdout, done.stdout
    recording = next(word for word in done.stdout.split() if word.startswith("rec_"))
    assert "?recorder" not in done.stdout, "the page's query is a secret"

    listed = await typed("list", "--label", "lesson=42", "--state", "verified", "--json")
    assert [each["id"] for each in json.loads(listed.stdout)] == [recording]
    assert json.loads((await typed("list", "--label", "lesson=43", "--json")).stdout) == []
    assert recording in (await typed("list")).stdout

    shown = await typed("show", recording)
    assert "stop_at" in shown.stdout or "stopped" in shown.stdout
    assert json.loads((await typed("show", recording, "--json")).stdout)["state"] == "verified"
    timeline = json.loads((await typed("timeline", recording, "--json")).stdout)
    assert timeline[0]["kind"] == "requested"
    assert "requested" in (await typed("timeline", recording)).stdout

    folder = tmp_path / "fetched"
    fetched = await typed("files", recording, "--download", str(folder))
    assert fetched.exit_code == 0, fetched.stdout
    names = {each["key"].rpartition("/")[2]: each["size_bytes"] for each in await house.files(recording)}
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == names
    (movie,) = folder.glob("*.mp4")
    with av.open(str(movie)) as opened:
        assert opened.streams.video
    before = movie.stat().st_mtime_ns
    assert (await typed("files", recording, "--download", str(folder))).exit_code == 0
    assert movie.stat().st_mtime_ns == before, "what is there already is not fetched again"


async def test_who_watches_an_incomplete_recording_reads_what_may_still_come(
    forge: Forge, house: House, tmp_path: Path
) -> None:
    typed = Terminal(forge, house, tmp_path)
    recording = await house.start()
    await house.slices(recording, 2)
    victim, content = await house.take_slice(recording)
    await house.do(recording, "stop")
    await house.until(recording, "incomplete")
    watching = asyncio.create_task(typed("watch", recording))
    log = tmp_path / "terminal1.log"
    await eventually(lambda: log.exists() and "incomplete · " in log.read_text())
    await house.store.put(victim, content)
    done = await watching
    assert "missing so far: slice_missing" in done.stdout
    assert done.exit_code == 0, done.stdout


async def test_wishes_and_their_refusals_are_one_line_each(forge: Forge, house: House, tmp_path: Path) -> None:
    typed = Terminal(forge, house, tmp_path)
    started = await typed("record", PAGE)
    recording = started.stdout.split()[0]
    assert f"until `pagereel stop {recording}`" in started.stdout
    await house.until(recording, "recording")
    assert (await typed("pause", recording)).exit_code == 0
    assert "paused" in (await typed("pause", recording)).stdout
    assert (await typed("resume", recording)).exit_code == 0
    assert json.loads((await typed("stop", recording, "--json")).stdout)["id"] == recording
    await house.until(recording, "verified")
    assert (await typed("watch", recording, "--json")).exit_code == 0
    for words, said in (
        (("pause", recording), "verified"),
        (("show", "rec_none"), "no such recording"),
        (("record", "http://10.0.0.1/"), "PAGE: should begin with https://"),
        (("record", PAGE, "--app", "nope"), "--app nope: is unknown; available: main"),
        (("record", PAGE, "--storage", "nope"), "--storage nope: is unknown; available: "),
        (("record", PAGE, "--preset", "nope"), "--preset nope: is unknown; available: default"),
        (("record", PAGE, "--notify", "nope"), "--notify nope: is unknown; none is available"),
        (("record", PAGE, "--for", "soon"), "not a length of time"),
        (("record", PAGE, "--label", "x"), "KEY=VALUE"),
        (("files", "rec_none"), "no such recording"),
    ):
        refused = await typed(*words)
        assert refused.exit_code == 2, words
        assert said in refused.stdout, (words, refused.stdout)
        assert "Traceback" not in refused.stdout
    assert "token" in (await typed("list", token="")).stdout
    assert (await typed("list", token="prl_wrong_token")).exit_code == 2


async def test_feeds_are_listed_replayed_and_redriven(forge: Forge, build: Living, tmp_path: Path) -> None:
    async with receiving(usual=200) as crm, build(settings=endpoints(crm=crm.url)) as house:
        typed = Terminal(forge, house, tmp_path)
        recording = await house.start(notify=["crm"])
        await house.do(recording, "stop")
        await house.until(recording, "verified")
        events = [json.loads(line) for line in (await typed("events", "--json")).stdout.splitlines()]
        assert "recording.verified" in [each.get("type") for each in events]
        rest = await typed("events", "--json", "--after", events[-1]["next"])
        assert json.loads(rest.stdout) == events[-1]
        notices = json.loads((await typed("notices", "list", "--json")).stdout)
        assert (await typed("notices", "replay", str(notices[0]["id"]))).exit_code == 0
        assert "applied" in (await typed("notices", "list")).stdout
        assert "delivered" in (await typed("messages", "list")).stdout
        assert "0 messages are sent again" in (await typed("messages", "redrive")).stdout
        assert "crm" in (await typed("endpoints", "list")).stdout
        assert (await typed("endpoints", "enable", "crm")).exit_code == 0
        assert (await typed("endpoints", "enable", "none")).exit_code == 2


async def test_a_recording_that_is_not_proven_is_no_success(forge: Forge, house: House, tmp_path: Path) -> None:
    typed = Terminal(forge, house, tmp_path)
    await house.fault(kind="page_unreachable")
    done = await typed("record", PAGE, "--for", "30s", "--wait")
    assert done.exit_code == 1
    assert "failed" in done.stdout
    assert "page_unreachable" in done.stdout
    recording = next(word for word in done.stdout.split() if word.startswith("rec_"))
    told = await typed("explain", recording)
    assert "Agora could not open the page" in told.stdout
    assert "cause: page_unreachable (certain, blame: page)" in told.stdout
    assert "event 71" in told.stdout
