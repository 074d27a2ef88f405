"""What a simulated recorder does to the world: stretches of media, cut into slices, uploaded one by one.

Written from agora-reference §8 and §9. A slice is computed when somebody looks, so that a recording costs nothing
while nobody does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from random import Random

PACKET = 188
EPOCH = 1_750_000_000.0


@dataclass(slots=True)
class Slice:
    """`named_at`: when the playlist with it was uploaded; `arrives_at`: when it lies in the bucket itself, None never.
    `size` is what lies there, `whole` what was written."""

    begins: float
    ends: float
    named_at: float
    arrives_at: float | None
    size: int
    whole: int


@dataclass(slots=True)
class Damage:
    """What befalls the files of one recorder, by number of the slice. `late`: seconds that an upload takes longer,
    over Agora's backup cloud. `stale`: the last upload of the playlist is lost."""

    lost: set[int] = field(default_factory=set)
    cut: set[int] = field(default_factory=set)
    late: dict[int, float] = field(default_factory=dict)
    playlist_lost: bool = False
    playlist_stale: bool = False
    mp4_lost: bool = False

    @property
    def heals(self) -> bool:
        return not (self.lost or self.cut or self.playlist_lost or self.playlist_stale or self.mp4_lost)


class Recorder:
    """One file set: the base one, or `bak<n>_` after a failover. Instants are world time."""

    def __init__(self, stem: str, random: Random, damage: Damage, *, mp4: bool) -> None:
        self.stem = stem
        self.damage = damage
        self.mp4 = mp4
        self.slices: list[Slice] = []
        self.ended_at: float | None = None
        self._random = random
        self._length = random.uniform(15.0, 16.5)
        self._open_since: float | None = None

    def roll(self, at: float) -> None:
        if self._open_since is None:
            self._open_since = at

    def halt(self, at: float, *, lose_rest: bool = False) -> None:
        """No media from here on. `lose_rest`: the unfinished slice dies with its recorder."""
        self.grow(at)
        if self._open_since is not None:
            if not lose_rest and at - self._open_since > 0.05:
                self._write(self._open_since, at)
            self._open_since = None

    def end(self, at: float) -> None:
        self.halt(at)
        self.ended_at = at

    def grow(self, now: float) -> None:
        """Write the slices that are complete by now."""
        while self._open_since is not None and self._open_since + self._length <= now:
            self._write(self._open_since, self._open_since + self._length)
            self._open_since += self._length

    def _write(self, begins: float, ends: float) -> None:
        number, begins, ends = len(self.slices), round(begins, 3), round(ends, 3)
        whole = PACKET * max(10, round((ends - begins) * 600))
        before = self.slices[-1].named_at if self.slices else 0.0
        named_at = max(ends + self._random.uniform(0.4, 3), before)
        arrives_at: float | None = named_at - 0.3 + self.damage.late.get(number, 0)
        if number in self.damage.lost:
            arrives_at = None
        size = whole - PACKET * 3 - 71 if number in self.damage.cut else whole
        self.slices.append(Slice(begins, ends, named_at, arrives_at, size, whole))

    # --- what lies in the bucket ---------------------------------------------------------------------------------

    @property
    def settled_at(self) -> float:
        """When the last of its files is there, as far as it ever comes."""
        assert self.ended_at is not None
        arrivals = [one.arrives_at for one in self.slices if one.arrives_at is not None]
        return max([self.final_at, *arrivals])

    @property
    def final_at(self) -> float:
        assert self.ended_at is not None
        named = self.slices[-1].named_at if self.slices else self.ended_at
        return max(self.ended_at + 1.0, named) + 0.5

    def slice_name(self, one: Slice) -> str:
        stamp = datetime.fromtimestamp(EPOCH + one.begins, UTC)
        return f"{self.stem}_{stamp:%Y%m%d%H%M%S}{stamp.microsecond // 1000:03d}.ts"

    def objects(self, now: float) -> Iterator[tuple[str, int, float]]:
        """(name, size, written at) of what lies in the bucket now."""
        self.grow(now)
        for one in self.slices:
            if one.arrives_at is not None and one.arrives_at <= now:
                yield self.slice_name(one), one.size, one.arrives_at
        named = [one for one in self.slices if one.named_at <= now]
        if named and not self.damage.playlist_lost:
            final = self._final(now)
            at = self.final_at if final else named[-1].named_at
            yield f"{self.stem}.m3u8", 100 + 90 * len(named) + 16 * final, at
        if self._final(now, stale=False) and self.mp4 and self.slices and not self.damage.mp4_lost:
            yield f"{self.stem}_0.mp4", sum(one.whole for one in self.slices), self.final_at

    def playlist(self, now: float) -> bytes:
        self.grow(now)
        entries = [one for one in self.slices if one.named_at <= now]
        final = self._final(now)
        if self.damage.playlist_stale and len(entries) == len(self.slices) and self.ended_at is not None:
            entries = entries[:-1] or entries
        longest = max((one.ends - one.begins for one in entries), default=15)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-ALLOW-CACHE:YES"]
        lines.append(f"#EXT-X-TARGETDURATION:{ceil(longest)}")
        ends = None
        for one in entries:
            if ends is None or one.begins - ends > 0.2:
                lines.append("#EXT-X-DISCONTINUITY")
            lines += [f"#EXTINF:{one.ends - one.begins:.6f}", self.slice_name(one)]
            ends = one.ends
        return "\n".join([*lines, *["#EXT-X-ENDLIST"] * final, ""]).encode()

    def _final(self, now: float, *, stale: bool = True) -> bool:
        done = self.ended_at is not None and now >= self.final_at
        return done and not (stale and self.damage.playlist_stale)
