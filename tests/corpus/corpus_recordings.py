"""Good recordings in every dialect that is documented or rumoured, as a bucket holds them."""

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from corpus_media import Part, Shape, Slice, mp4_of, slice_of

from service.media.expectation import Expectation, ExpectedAttempt
from service.policy import Policy
from service.report import Interval

SID, CNAME, PREFIX = "0123456789abcdef0123456789abcdef", "dev-rec01", "rec01/a1/"
BEGIN = datetime(2026, 3, 1, 9, 59, 11, 873000, tzinfo=UTC).timestamp()
PLAIN = Shape()


def utc17(at: float) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round(at * 1000))
    return moment.strftime("%Y%m%d%H%M%S") + f"{moment.microsecond // 1000:03d}"


@dataclass
class Made:
    """A recording: its parts, what else lies there, and what was wanted."""

    parts: list[Part]
    shape: Shape = PLAIN
    pauses: tuple[Interval, ...] = ()
    others: dict[str, bytes] = field(default_factory=dict)
    texts: dict[int, Callable[[str], str]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    until: float | None = None
    hours: int = 2
    seconds_allowed: float | None = None
    announced: tuple[str, ...] = ()
    sound: bool | None = None

    def stem(self, part: Part) -> str:
        return ("" if part.bak is None else f"bak{part.bak}_") + f"{SID}_{CNAME}"

    def name(self, part: Part, one: Slice) -> str:
        return f"{self.stem(part)}_{utc17(one.start)}.ts"

    def key(self, index: int, part: int = 0) -> str:
        return PREFIX + self.name(self.parts[part], self.parts[part].slices[index])

    def text(self, part: Part) -> str:
        longest = max((one.seconds for one in part.slices), default=0.0)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-ALLOW-CACHE:YES"]
        lines += [f"#EXT-X-TARGETDURATION:{part.target or math.ceil(longest)}"]
        for number, one in enumerate(part.slices):
            if not one.named:
                continue
            if one.marked or (number == 0 and part.tags):
                lines += ["#EXT-X-DISCONTINUITY"]
                if part.tags:
                    lines += [f"#EXT-X-AGORA-TRACK-EVENT:EVENT=START,TRACK_TYPE=VIDEO,TIME={utc17(one.start)}"]
            lines += [f"#EXTINF:{one.seconds:.6f}{',' * part.comma}", one.uri or self.name(part, one)]
        text = "\n".join(lines + ["#EXT-X-ENDLIST"] * part.ended) + "\n"
        return self.texts.get(self.parts.index(part), str)(text)

    def objects(self) -> dict[str, bytes]:
        found = dict(self.others)
        for part in self.parts:
            found |= {PREFIX + self.name(part, one): one.content for one in part.slices if one.written}
            found[f"{PREFIX}{self.stem(part)}.m3u8"] = self.text(part).encode("utf-8", "surrogateescape")
            for number, content in enumerate(part.mp4s):
                if content is not None:
                    found[f"{PREFIX}{self.stem(part)}_{number}.mp4"] = content
            found |= {f"{PREFIX}{self.stem(part)}_{suffix}.m3u8": content for suffix, content in part.copies.items()}
        return found

    def expected(self) -> Expectation:
        last = self.parts[-1].slices[-1]
        return Expectation(
            key_prefix="rec01/",
            attempts=(ExpectedAttempt(1, PREFIX, CNAME, SID, self.announced),),
            wanted=Interval(BEGIN, self.until or last.start + last.seconds),
            pauses=self.pauses,
            mp4=any(part.mp4s for part in self.parts),
            hours=self.hours,
            ended_by_itself=False,
            end_proven=True,
            policy=Policy(two_reads_apart_seconds=0.01, max_missing_seconds=self.seconds_allowed),
            size=(self.shape.width, self.shape.height),
            channels=self.shape.channels,
            sound=self.sound,
        )

    def copy(self) -> "Made":
        parts = [
            replace(
                part, slices=[copy.copy(one) for one in part.slices], mp4s=list(part.mp4s), copies=dict(part.copies)
            )
            for part in self.parts
        ]
        return replace(self, parts=parts, others=dict(self.others), texts=dict(self.texts), refused=set(self.refused))


def slices(
    shape: Shape, numbers: Iterable[int], *, kind: str = "page", shift: int = 0, later: float = 0
) -> list[Slice]:
    """Slices by number; `shift` moves their time stamps, `later` their names."""
    return [
        Slice(BEGIN + number * shape.seconds + later, float(shape.seconds), slice_of(shape, kind, number, shift))
        for number in numbers
    ]


def straight(count: int, shape: Shape = PLAIN, *, mp4: bool = True, **changes: object) -> Made:
    part = Part(slices(shape, range(count)), mp4s=[mp4_of(shape, ("page",) * count)] if mp4 else [])
    return Made([replace(part, **changes)], shape)  # type: ignore[arg-type]


def paused(count: int, *, jump: bool, marked: bool) -> Made:
    """A pause of ten minutes in the middle; time stamps go on as if there had been none, or jump with the clock."""
    shape, half = Shape(), count // 2
    after = slices(shape, range(half, count), shift=600 if jump else 0, later=600)
    after[0].marked = marked
    made = Made([Part([*slices(shape, range(half)), *after], mp4s=[mp4_of(shape, ("page",) * count)])], shape)
    at = BEGIN + half * shape.seconds
    return replace(made, pauses=(Interval(at, at + 600),))


def failed_over(hole: int, count: int = 12) -> Made:
    """A second recorder takes over; `hole` < 0: both recorded for a while."""
    shape, half = Shape(), count // 2
    first = Part(slices(shape, range(half)), mp4s=[mp4_of(shape, ("page",) * half)], ended=False)
    later = [
        Slice(BEGIN + (half + number) * shape.seconds + hole, float(shape.seconds), slice_of(shape, "page", number))
        for number in range(half)
    ]
    return Made([first, Part(later, bak=0, mp4s=[mp4_of(shape, ("page",) * half)])], shape)


def copied(*, larger: bool) -> Made:
    """A playlist that came through the backup cloud, beside an older or a newer one of plain name."""
    made = straight(8)
    text = made.text(made.parts[0])
    lines = text.splitlines()
    older = "\n".join(lines[:-7]) + "\n"
    if larger:
        made.texts[0] = lambda _: older
        made.parts[0].copies = {"171234_0": "".join(lines[:9]).encode(), "171299_1": text.encode()}
    else:
        made.parts[0].copies = {"171234_0": older.encode()}
    return made


def in_parts() -> Made:
    made = straight(9, mp4=False)
    made.parts[0].mp4s = [mp4_of(made.shape, ("page",) * 3, 3 * part) for part in range(3)]
    return made


def wide_mp4() -> Made:
    made = straight(6)
    content = made.parts[0].mp4s[0]
    assert content is not None
    at = content.index(b"mdat") - 4
    assert content[at - 8 : at] == b"\x00\x00\x00\x08free"
    size = int.from_bytes(content[at : at + 4], "big") + 8
    made.parts[0].mp4s = [content[: at - 8] + b"\x00\x00\x00\x01mdat" + size.to_bytes(8, "big") + content[at + 8 :]]
    return made


GOOD: dict[str, Callable[[], Made]] = {
    "plain": lambda: straight(10),
    "EXTINF with its comma": lambda: straight(10, comma=True),
    "none of Agora's tags": lambda: straight(10, tags=False),
    "no ENDLIST": lambda: straight(10, ended=False),
    "no MP4": lambda: straight(10, mp4=False),
    "TARGETDURATION above the longest": lambda: straight(10, target=18),
    "pause, time stamps go on": lambda: paused(12, jump=False, marked=False),
    "pause, time stamps go on, marked": lambda: paused(12, jump=False, marked=True),
    "pause, time stamps jump": lambda: paused(12, jump=True, marked=False),
    "pause, time stamps jump, marked": lambda: paused(12, jump=True, marked=True),
    "failover with a hole of 40 s": lambda: failed_over(40),
    "failover with an overlap": lambda: failed_over(-12),
    "a larger copy through the backup cloud": lambda: copied(larger=True),
    "a smaller copy through the backup cloud": lambda: copied(larger=False),
    "portrait": lambda: straight(6, Shape(240, 426)),
    "30 pictures a second": lambda: straight(6, Shape(fps=30)),
    "stereo": lambda: straight(6, Shape(channels=2)),
    "one slice": lambda: straight(1),
    "MP4 in three parts": in_parts,
    "MP4 with sizes of 64 bits": wide_mp4,
}
