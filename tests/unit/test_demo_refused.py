"""`pagereel demo` with a page that cannot be recorded: it says why, as the service explains it."""

from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from cli_rig import ID, Answer, recording, serving
from rich.console import Console

from pagereel.demo import DemoError
from pagereel.demo.sandbox import Sandbox
from pagereel.demo.show import House, start_recording

TOLD = {"summary": "Nothing was recorded because Agora could not open the page.", "advice": "Open the page yourself."}


@pytest.mark.parametrize(
    ("states", "printed"),
    [
        (["uploading", "verifying", "failed"], ["verifying", "failed"]),
        (["starting"], []),
        (["failed"], []),
    ],
    ids=["about to end", "not started in time", "ended"],
)
async def test_a_page_that_is_not_recorded_is_explained(
    states: list[str], printed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    left = iter(states)

    def next_state(_: Any) -> Answer:
        return 200, recording(state=next(left))

    answers = {
        "POST /v1/recordings": next_state,
        f"GET /v1/recordings/{ID}": next_state,
        f"GET /v1/recordings/{ID}/explanation": (200, TOLD),
    }
    with serving(answers) as service:
        sandbox = cast(Sandbox, SimpleNamespace(api=service.url, store={}, allowance_seconds=0))
        async with aiohttp.ClientSession() as http:
            house = House(http, sandbox, "https://class.example.org/room/42")
            with pytest.raises(DemoError) as raised:
                await start_recording(house, Console())
    page = "https://class.example.org/room/42"
    assert str(raised.value) == f"{page} was not recorded. {TOLD['summary']}\n  {TOLD['advice']}"
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines if ID not in line and page not in line] == printed
