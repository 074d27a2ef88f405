"""What goes wrong in one simulation, drawn from its seed: every rate is a share of calls, notices, or tasks.

Most seeds know few kinds of trouble and those strongly; trouble everywhere at once would hide what a single kind does.
"""

from dataclasses import dataclass, fields
from random import Random

from tests.simulation.agora import Fate
from tests.simulation.recorder import Damage

_NOT_DRAWN = (
    "workers", "stop_muted", "stalls", "dies_at_end", "clock_steps", "stalled_calls", "slow", "hung", "misses",
)  # fmt: skip


@dataclass
class Weather:
    # calls to Agora
    refused: float = 0  # no connection
    lost: float = 0  # never arrives
    muted: float = 0  # arrives, its answer does not
    late: float = 0  # arrives after the client has given up
    busy: float = 0  # 5xx, 206 or 429 in place of an effect
    stop_muted: float = 0  # the same for stops alone
    halfway: float = 0  # 206/65 or 5xx/62 in spite of the effect
    slow: float = 0  # answered only after seconds
    hung: float = 0  # unanswered for as long as the client waits, whether it arrived or not
    slow_start: float = 0  # of those: the task begins only later
    agora_outage: float = 0
    # notices
    dropped: float = 0
    doubled: float = 0
    reordered: float = 0
    hours_late: float = 0
    forged: float = 0
    copied: float = 0  # the second route: the same notice under another id
    # tasks
    fails_over: float = 0
    page_dies: float = 0
    dies_at_end: float = 0  # the page breaks down about when it is to be stopped
    never_ready: float = 0
    deaf: float = 0
    misses: float = 0  # answers stops with 404 although it lives
    # the bucket
    file_lost: float = 0
    file_late: float = 0
    bucket_fails: float = 0
    bucket_outage: float = 0
    # us
    kills: float = 0
    stalls: float = 0  # a process is suspended, perhaps past its lease
    stalled_calls: float = 0  # the same while a call of its to Agora is under way
    database_fails: float = 0
    database_outage: float = 0
    skew: float = 0
    clock_steps: float = 0  # a process's clock is set wrong, and put right within minutes
    workers: int = 1

    @classmethod
    def draw(cls, random: Random) -> "Weather":
        weather = cls()
        names = [field.name for field in fields(cls) if field.name not in _NOT_DRAWN]
        for name in random.sample(names, random.choice((0, 1, 2, 2, 3, 3, 4, 6, len(names)))):
            setattr(weather, name, random.choice((0.02, 0.1, 0.3, 0.6)))
        if weather.dropped and random.random() < 0.3:
            weather.dropped = 1.0
        weather.workers = random.choice((1, 1, 2, 3))
        return weather

    def said(self) -> str:
        told = [f"{field.name}={value}" for field in fields(self) if (value := getattr(self, field.name))]
        return " ".join(told)

    def fate(self, random: Random, length: float) -> Fate:
        """What befalls a task that is to live for about `length` seconds."""
        fate = Fate(ready_seconds=random.uniform(1.5, 9), begins_late=random.uniform(1, 20))
        if random.random() < self.never_ready:
            fate.ready_seconds = 1e9
            fate.dies = (random.uniform(10, 80), random.choice((3, 4, 5)))
        elif random.random() < self.page_dies:
            fate.dies = (random.uniform(5, length * 1.2), random.choice((2, 4, 6, 6, 0)))
        if self.dies_at_end and random.random() < self.dies_at_end:
            fate.dies = (length + random.uniform(-2, 6), 6)
        if random.random() < self.fails_over:
            fate.fails_over = (random.uniform(12, max(20, length)), random.uniform(8, 88), random.random() < 0.5)
        if random.random() < self.deaf:
            fate.deaf_to_stops = random.choice((1, 1, 2))
        slices = max(1, int(length / 15))
        fate.damage = self._damage(random, slices)
        fate.second_damage = self._damage(random, slices)
        fate.backup = bool(fate.damage.late) or random.random() < 0.1
        return fate

    def _damage(self, random: Random, slices: int) -> Damage:
        damage = Damage()
        if random.random() < self.file_lost:
            kind = random.choice(("lost", "cut", "playlist", "stale", "mp4"))
            damage.lost = {random.randrange(slices)} if kind == "lost" else set()
            damage.cut = {random.randrange(slices)} if kind == "cut" else set()
            damage.playlist_lost, damage.playlist_stale = kind == "playlist", kind == "stale"
            damage.mp4_lost = kind == "mp4"
        if random.random() < self.file_late:
            late = random.choice((30, 300, 3600, 6 * 3600))
            damage.late = {number: late * random.uniform(0.5, 1.5) for number in range(slices) if random.random() < 0.4}
        return damage
