"""A good recording as a bucket shows it, and ways to damage it. Written by hand, with no code of `service.media`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from service.media.expectation import Expectation, expectation
from service.media.listing.rules import PlaylistRead, judge_listing
from service.media.listing.runs import sort_listing
from service.media.verdict import Snapshot, judge
from service.policy import Policy
from service.recording import Attempt, AttemptState, EndReason, Location, Parameters, Recording
from service.report import Interval, Level, ListedObject, Report, Severity

SID = "0123456789abcdef0123456789abcdef"
CNAME = "dev-rec01"
PREFIX = "rec01/a1/"
BEGIN = datetime(2025, 1, 1, 0, 0, 11, 873000, tzinfo=UTC).timestamp()
SECONDS = 16.0
SLICE_BYTES = 188 * 1000


def utc17(at: float) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round(at * 1000))
    return moment.strftime("%Y%m%d%H%M%S") + f"{moment.microsecond // 1000:03d}"


@dataclass
class Part:
    """What one recorder wrote: slices as [start, seconds], by `bak` and the sid of its attempt."""

    bak: int | None = None
    sid: str = SID
    prefix: str = PREFIX
    slices: list[tuple[float, float]] = field(default_factory=list)
    ended: bool = True
    comma: bool = False
    unix_time: bool = False
    mp4s: int = 1
    unnamed: set[int] = field(default_factory=set)
    order: list[int] | None = None

    @property
    def stem(self) -> str:
        return ("" if self.bak is None else f"bak{self.bak}_") + f"{self.sid}_{CNAME}"

    def slice_name(self, index: int) -> str:
        return f"{self.stem}_{utc17(self.slices[index][0])}.ts"

    def key(self, index: int) -> str:
        return self.prefix + self.slice_name(index)

    @property
    def playlist_key(self) -> str:
        return f"{self.prefix}{self.stem}.m3u8"

    def text(self) -> str:
        first = self.slices[0][0] if self.slices else 0.0
        moment = str(round(first * 1000)) if self.unix_time else utc17(first)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-ALLOW-CACHE:YES"]
        lines += ["#EXT-X-TARGETDURATION:17"]
        event = f"#EXT-X-AGORA-TRACK-EVENT:EVENT=START,TRACK_TYPE=VIDEO,TIME={moment}"
        # DISCONTINUITY stands before Agora's tags in some samples, after them in others.
        lines += [event, "#EXT-X-DISCONTINUITY"] if self.unix_time else ["#EXT-X-DISCONTINUITY", event]
        for index in self.order or range(len(self.slices)):
            if index not in self.unnamed:
                lines += [f"#EXTINF:{self.slices[index][1]:.6f}{',' * self.comma}", self.slice_name(index)]
        return "\n".join(lines + ["#EXT-X-ENDLIST"] * self.ended) + "\n"


def straight(begin: float, count: int, seconds: float = SECONDS) -> list[tuple[float, float]]:
    return [(begin + index * seconds, seconds) for index in range(count)]


class Bucket:
    """The parts of one recording, its objects by key and its playlists, open to damage after the fact."""

    def __init__(self, *parts: Part) -> None:
        self.parts = parts
        self.sizes: dict[str, int] = {}
        self.playlists: dict[str, bytes] = {}
        self.stood_seconds: float | None = 5.0
        for part in parts:
            self.sizes |= {part.key(index): SLICE_BYTES for index in range(len(part.slices))}
            self.sizes |= {f"{part.prefix}{part.stem}_{index}.mp4": 9_000_000 for index in range(part.mp4s)}
            self.put(part.playlist_key, part.text().encode())

    def put(self, key: str, content: bytes) -> Self:
        self.playlists[key] = content
        self.sizes[key] = len(content)
        return self

    def remove(self, key: str) -> Self:
        del self.sizes[key]
        self.playlists.pop(key, None)
        return self

    def listed(self) -> list[ListedObject]:
        return [ListedObject(key, size, f"etag-{size}", BEGIN + 60) for key, size in sorted(self.sizes.items())]

    def judge(self, recording: Recording) -> Report:
        reads = {key: PlaylistRead(content, self.stood_seconds) for key, content in self.playlists.items()}
        return judged(expectation(recording), self.listed(), reads)


def good_part(count: int = 20, **changes: object) -> Part:
    return replace(Part(slices=straight(BEGIN, count)), **changes)  # type: ignore[arg-type]


def recording(seconds: float = 320.0, **changes: object) -> Recording:
    """A recording wanted from 5 s before its first slice until `seconds` after it, stopped by its caller."""
    made = Recording(
        id="rec_01",
        owner="o",
        app="a",
        storage="s",
        location=Location(11, 0, "b", "http://127.0.0.1:1", True, ("rec01",)),
        parameters=Parameters(max_recording_hour=1),
        policy=Policy(),
        page="https://page.example/",
        rtmp=None,
        requested_at=BEGIN - 5,
        window_from_at=BEGIN - 5,
        cname=CNAME,
        attempts=(attempt(),),
        stop_wished_at=BEGIN + seconds,
        end_reason=EndReason.STOPPED,
        ended_at=BEGIN + seconds,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def attempt(number: int = 1, sid: str | None = SID, prefix: str = PREFIX, announced: tuple[str, ...] = ()) -> Attempt:
    return Attempt(
        number=number,
        cname=CNAME,
        uid=7,
        prefix=prefix,
        planned_at=BEGIN - 5,
        started_at=BEGIN - 4,
        state=AttemptState.ENDED,
        sid=sid,
        announced=announced,
    )


def errors(report: Report) -> list[str]:
    return [one.code for one in report.findings if one.severity is Severity.ERROR]


def codes(report: Report, severity: Severity) -> set[str]:
    return {one.code for one in report.findings if one.severity is severity}


def pause(begin: float, end: float | None) -> Interval:
    return Interval(BEGIN + begin, None if end is None else BEGIN + end)


def judged(expected: Expectation, listed: Iterable[ListedObject], reads: Mapping[str, PlaylistRead]) -> Report:
    """The report at level listing."""
    found = judge_listing(expected, sort_listing(expected, listed), reads)
    return judge(Snapshot(found), Level.LISTING, BEGIN + 9999)
