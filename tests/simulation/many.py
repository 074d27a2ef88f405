"""Many simulations at once, in processes of their own. Their work is a function of this room's modules: a spawned
process imports it by name, which it cannot do with what `python -m` calls `__main__`."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice
from typing import TypeVar

from tests.simulation.ground import Ground
from tests.simulation.simulate import Played, play

CHUNK = 25
W = TypeVar("W")
R = TypeVar("R")


def play_seeds(seeds: Iterable[int], jobs: int) -> Iterator[Played]:
    """Play them in `jobs` processes; in no particular order."""
    rest = iter(seeds)
    for done in in_processes(jobs, _play_chunk, list(iter(lambda: list(islice(rest, CHUNK)), []))):
        yield from done


def _play_chunk(seeds: list[int]) -> list[Played]:
    with Ground() as ground:
        return [play(ground, seed) for seed in seeds]


def in_processes(jobs: int, work: Callable[[W], R], pieces: Sequence[W]) -> Iterator[R]:
    """What `work` makes of each of the pieces, as it is done. A process that dies ends all of it with an error."""
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        try:
            for done in as_completed([pool.submit(work, piece) for piece in pieces]):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
