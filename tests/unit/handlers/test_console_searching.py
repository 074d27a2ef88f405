"""The console's search field: what is a label, what is searched as words, and how far."""

from typing import Any

import pytest
from handlers_stand_in import RECORDING, StandIn

from handlers.console.searching import find_one, find_words, is_label
from handlers.keys import CALLER, OPERATIONS
from service.operations import RecordingFilter


class Asked(dict[Any, Any]):
    """A request, as far as a search reads it; every page of the list has one recording and a next page."""

    def __init__(self) -> None:
        super().__init__({CALLER: None})
        self.operations = StandIn()
        self.app = {OPERATIONS: self.operations}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("room=7", True),
        ("room:7", True),
        ("course=", True),
        ("https://example.org/lesson", False),
        ("http://a", False),
        ("lesson", False),
        ("Room=7", False),
    ],
)
def test_a_label_is_a_name_and_a_value_and_no_url(text: str, label: bool) -> None:
    assert is_label(text) is label


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("EXAMPLE.org", True),
        ("https://example.org/lesson?ticket=1#top", True),
        ("room=7", True),
        ("school", False),
        ("ticket", False),
    ],
    ids=["part", "pasted URL", "label", "owner", "query"],
)
async def test_words_are_looked_for_in_page_and_labels_of_the_newest_thousand(text: str, found: bool) -> None:
    asked: Any = Asked()
    answer = await find_words(asked, RecordingFilter(), text)
    assert {one.id for one in answer.recordings} == ({RECORDING.id} if found else set())
    assert not answer.all_searched
    assert [facts[2] for _, facts in asked.operations.calls] == [200] * 5


async def test_an_id_is_found_in_a_pasted_address() -> None:
    asked: Any = Asked()
    assert await find_one(asked, f"https://pages.example.org/console/recordings/{RECORDING.id}?x=1") == RECORDING.id
    assert await find_one(asked, "no id") is None
