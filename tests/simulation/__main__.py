"""`python -m tests.simulation SEED` replays one seed with its whole story. With `--seeds N` it plays so many, says how
many a minute, and tells the story of the first that breaks a promise."""

import argparse
import sys
import time

from tests.simulation.ground import Ground
from tests.simulation.many import play_seeds
from tests.simulation.simulate import Played, play


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", nargs="?", type=int)
    parser.add_argument("--seeds", type=int, default=0, help="play so many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--tell", action="store_true", help="tell the story of each, whatever came of it")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    asked = parser.parse_args()
    if asked.seed is not None:
        return _replay(asked.seed)
    return _play_many(range(asked.first, asked.first + asked.seeds), asked.jobs, tell=asked.tell)


def _replay(seed: int) -> int:
    with Ground() as ground:
        played = play(ground, seed)
    _tell(played)
    return bool(played.broken)


def _play_many(seeds: range, jobs: int, *, tell: bool) -> int:
    began = time.monotonic()
    failing = []
    for played in play_seeds(seeds, jobs):
        if tell:
            _tell(played)
        if played.broken:
            failing.append(played)
    minutes = (time.monotonic() - began) / 60
    print(f"{len(seeds)} seeds in {minutes:.1f} min: {len(seeds) / minutes:.0f} seeds a minute")
    if not failing:
        print("every promise was kept")
        return 0
    failing.sort(key=lambda played: played.seed)
    print(f"{len(failing)} seeds broke a promise: {' '.join(str(played.seed) for played in failing)}")
    _tell(failing[0])
    return 1


def _tell(played: Played) -> None:
    print(f"seed {played.seed}: {played.weather}")
    print(played.story)
    print(f"{played.tasks} tasks, {played.seconds:.0f} s, ends: {', '.join(played.states)}")
    for broken in played.broken:
        print(f"BROKEN {broken}")
    print(f"replay: python -m tests.simulation {played.seed}")


if __name__ == "__main__":
    sys.exit(main())
