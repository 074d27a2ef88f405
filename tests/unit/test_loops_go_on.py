"""No loop of a process ends it, whatever one of its rounds raises."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from metrics import REGISTRY
from pagereel import serving
from service.database.engine import wakeups
from service.operations.accounts.access import ensure_bootstrap_token
from service.settings import Settings
from service.worker import reconciler as reconciling
from service.worker.reconciler import Reconciler


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module, name in (
        (serving, "KEYS_SECONDS"), (serving, "PAGES_SECONDS"), (serving, "CLOCK_SECONDS"), (serving, "RESERVE_SECONDS"),
        (reconciling, "BEAT_SECONDS"), (wakeups, "AGAIN_SECONDS"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, 0.001)
    with capture_logs():
        yield


class Failing:
    """Whatever is called fails as nothing should; `held` is a reserve's."""

    held = True

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*_: Any, **__: Any) -> Any:
            raise OverflowError(name)

        return fail


async def _fail() -> None:
    raise OverflowError("no such date")


def _keys(monkeypatch: pytest.MonkeyPatch) -> Coroutine[Any, Any, None]:
    keys = iter([["first"]])

    def read(_: object) -> list[str]:
        return next(keys)  # and then StopIteration, which nobody expects

    monkeypatch.setattr(serving, "sealing_keys", read)
    house = SimpleNamespace(settings=Settings.model_validate({"deployment": "test"}), seals=Failing())
    return serving._follow_keys(house)  # type: ignore[arg-type]


def _reconciler() -> Reconciler:
    made = Reconciler(Failing(), clients={}, verifier=Failing())  # type: ignore[arg-type]
    made._since = 1.0
    return made


LOOPS: dict[str, Callable[[pytest.MonkeyPatch], Coroutine[Any, Any, None]]] = {
    "keys": _keys,
    "clock": lambda _: serving._follow_clock(SimpleNamespace(sync=_fail)),  # type: ignore[arg-type]
    "reserve": lambda _: serving._follow_reserve(Failing()),  # type: ignore[arg-type]
    "gauges": lambda _: serving._follow_pages(SimpleNamespace(database=SimpleNamespace(run=lambda _: _fail()))),  # type: ignore[arg-type]
    "heartbeat": lambda _: _reconciler().run(),
    "reconciling": lambda _: _reconciler().run(),
    "wakeups": lambda _: wakeups.Wakeups(Failing(), {}).run(),  # type: ignore[arg-type]
}


def errors(loop: str) -> float:
    return REGISTRY.get_sample_value("pagereel_worker_loop_errors_total", {"loop": loop}) or 0


@pytest.mark.parametrize("loop", LOOPS)
async def test_a_loop_counts_what_breaks_a_round_and_goes_on(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = errors(loop)
    running = asyncio.create_task(LOOPS[loop](monkeypatch))
    try:
        async with asyncio.timeout(30):
            while errors(loop) < before + 2 and not running.done():
                await asyncio.sleep(0.005)
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_token_file_that_was_spoilt_leaves_the_older_token_alive(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("prl_bootstrap_good")
    settings = Settings.model_validate({"deployment": "test", "bootstrap_token_file": str(file)})
    file.write_text("spoilt")
    with pytest.raises(ValueError, match="should hold prl_bootstrap_"):
        await ensure_bootstrap_token(Failing(), settings, 1.0)  # type: ignore[arg-type]
