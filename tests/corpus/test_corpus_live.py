"""While a recording runs its first slices are looked at, and a blank page is told of."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from corpus_bench import Bench
from corpus_media import Shape, slice_of
from corpus_recordings import BEGIN, CNAME, PREFIX, SID, utc17

from service.buckets import Usage
from service.lifecycle import apply, next_step
from service.lifecycle.observations import Look, Looked
from service.policy import Policy
from service.recording import Attempt, AttemptState, Location, Parameters, Recording, State, Watch
from service.report import FileKind, JudgedFile, Level
from service.verifier import Look as Seen
from service.verifier import Verifier
from service.verifier.content import SAMPLE_BYTES
from service.verifier.live import sample_newest

SHAPE = Shape()


def running(**changes: object) -> Recording:
    attempt = Attempt(
        1,
        CNAME,
        7,
        PREFIX,
        BEGIN,
        state=AttemptState.RUNNING,
        resource_id="r",
        sid=SID,
        started_at=BEGIN,
        recording_at=BEGIN,
        next_query_at=BEGIN + 9999,
    )
    row = Recording(
        id="rec_01",
        owner="o",
        app="a",
        storage="s",
        location=Location(11, 0, "corpus", None, True, ("rec01",)),
        parameters=Parameters(),
        policy=Policy(),
        page="https://page.example/",
        rtmp=None,
        requested_at=BEGIN,
        cname=CNAME,
        state=State.RECORDING,
        window_from_at=BEGIN,
        attempts=(attempt,),
        watch=Watch(next_list_at=BEGIN + 20),
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def write(bench: Bench, *kinds: str) -> None:
    bench.store.hold(
        {
            f"{PREFIX}{SID}_{CNAME}_{utc17(BEGIN + number * SHAPE.seconds)}.ts": slice_of(SHAPE, kind, number)
            for number, kind in enumerate(kinds)
        }
    )


async def test_the_second_slice_and_then_one_in_five_minutes_is_decoded(bench: Bench) -> None:
    verifier = Verifier(lambda _: bench.bucket)
    try:
        write(bench, "black")
        assert (await verifier.look(running())).picture is None
        assert bench.store.asked == set()
        write(bench, "black", "black")
        first = await verifier.look(running())
        assert (first.slices, first.picture, first.silent) == (2, "black", False)
        assert len(bench.store.asked) == 1
        write(bench, "black", "black", "page", "page", "silent")
        arrived = first.last_slice_at or 0.0
        soon = Watch(after_key=first.after_key, slices=2, sampled_at=arrived - 299)
        assert (await verifier.look(running(watch=soon))).picture is None
        assert bench.store.asked == set()
        later = await verifier.look(running(watch=replace(soon, sampled_at=arrived - 300)))
        assert (later.slices, later.picture, later.silent) == (3, "fine", True)
        assert len(bench.store.asked) == 1
        write(bench, "white", "white")
        assert (await verifier.look(running(policy=Policy(level=Level.STRUCTURE)))).picture is None
        assert bench.store.asked == set()
    finally:
        await verifier.close()


async def test_a_slice_too_short_to_tell_silence_from_a_breath_says_nothing_of_sound(bench: Bench) -> None:
    """The slice that a pause cuts off lasts a moment, between two words."""
    verifier = Verifier(lambda _: bench.bucket)
    try:
        for seconds, silent in ((1, None), (8, True)):
            short = f"{PREFIX}{SID}_{CNAME}_{utc17(BEGIN + SHAPE.seconds)}.ts"
            bench.store.hold(
                {
                    f"{PREFIX}{SID}_{CNAME}_{utc17(BEGIN)}.ts": slice_of(SHAPE, "page", 0),
                    short: slice_of(replace(SHAPE, seconds=seconds), "silent", 1),
                }
            )
            seen = await verifier.look(running())
            assert (seen.picture, seen.silent) == ("fine", silent)
    finally:
        await verifier.close()


@pytest.mark.parametrize(
    ("heard", "loud", "size", "reads", "silent"),
    [
        (0.5, False, 10**6, 3, True),  # it is silent as far as it is read
        (0.5, True, 10**6, 1, False),
        (0.2, False, 10**6, 3, None),
        (0.5, False, 200_000, 2, None),  # no more is there
        (1.5, False, 10**6, 1, True),
    ],
)
async def test_more_of_a_slice_is_read_where_its_beginning_holds_too_little_sound(
    heard: float, loud: bool, size: int, reads: int, silent: bool | None
) -> None:
    asked: list[int] = []

    class Rich:
        async def fetch(self, key: str, count: int, **_: object) -> SimpleNamespace:
            asked.append(count)
            return SimpleNamespace(content=bytes(min(count, size)))

    class Listener:
        async def run(self, _: str, content: bytes, **__: object) -> tuple[dict[str, float], None]:
            seconds = heard * len(content) / SAMPLE_BYTES[0]
            return {"loudness": -10.0 if loud else -90.0, "sound_seconds": seconds}, None

    newest = JudgedFile("key", FileKind.SLICE, size, "", None, starts_at=BEGIN, listed=True)
    seen = Seen("", slices=2, last_slice_at=BEGIN, files=(newest,))
    sample = await sample_newest(Rich(), running(), seen, Listener(), Usage())  # type: ignore[arg-type]
    assert sample is not None
    assert (len(asked), sample.proven_silent) == (reads, silent)


def looked(row: Recording, slices: int, picture: str | None, at: float, *, silent: bool | None = False) -> Recording:
    return apply(row, Looked(slices, 10, f"k{at}", at, {}, picture, silent), at).recording


def test_until_two_slices_are_there_the_bucket_is_looked_at_every_twenty_seconds() -> None:
    row = looked(running(), 1, None, BEGIN + 20)
    assert (row.warnings, row.attention) == ((), None), "the first slice may be blank while the page loads"
    assert row.watch.next_list_at == BEGIN + 40
    assert next_step(row, BEGIN + 40) == Look()
    row = looked(row, 1, "fine", BEGIN + 40)
    assert row.watch.next_list_at == BEGIN + 40 + row.policy.watch_seconds


def test_a_blank_page_is_warned_of_once_and_attended_until_it_shows_something() -> None:
    row = looked(running(), 2, "white", BEGIN + 40)
    assert row.warnings == ("picture_blank",)
    assert row.attention is not None
    assert row.attention.code == "picture_blank"
    row = looked(row, 1, "black", BEGIN + 160)
    assert row.warnings == ("picture_blank",)
    row = looked(row, 1, "fine", BEGIN + 280)
    assert row.attention is None


def test_an_error_page_of_the_browser_is_warned_of_by_its_own_name() -> None:
    row = looked(running(), 2, "error_page", BEGIN + 40)
    assert row.warnings == ("picture_error_page",)
    assert row.attention is not None
    assert row.attention.code == "picture_error_page"
    row = looked(row, 1, "white", BEGIN + 160)
    assert row.warnings == ("picture_error_page", "picture_blank")
    row = looked(looked(row, 1, "error_page", BEGIN + 280), 1, "fine", BEGIN + 400)
    assert row.attention is None


@pytest.mark.parametrize("silent", [True, False])
def test_silence_is_warned_of(silent: bool) -> None:
    row = looked(running(), 2, "fine", BEGIN + 40, silent=silent)
    assert row.warnings == ("sound_silent",) * silent
    assert (row.attention is not None and row.attention.code == "sound_silent") is silent
    later = looked(row, 1, "fine", BEGIN + 340, silent=None)
    assert later.attention == row.attention, "what says nothing of sound changes nothing"
    assert looked(row, 1, "fine", BEGIN + 400).attention is None


@pytest.mark.parametrize("sound", [None, True, False], ids=["unknown", "expected", "not expected"])
def test_silence_is_not_warned_of_where_the_page_makes_no_sound(sound: bool | None) -> None:
    row = looked(replace(running(), sound=sound), 2, "fine", BEGIN + 40, silent=True)
    assert row.warnings == (() if sound is False else ("sound_silent",))
    assert (row.attention is None) is (sound is False)
