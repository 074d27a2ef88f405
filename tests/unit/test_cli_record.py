"""`pagereel record`: what it asks for, and what it says before it leaves a recorder running."""

import json
from datetime import UTC, datetime

from cli_rig import ID, recording, serving


def started(body: dict[str, object]) -> tuple[int, object]:
    return 202, recording(state="requested", instants={"stop_at": body.get("stop_at")})


def test_a_length_becomes_the_instant_of_the_stop_which_is_printed() -> None:
    with serving({"POST /v1/recordings": started}) as service:
        done = service.typed("record", "https://class.example.org", "--for", "2h30")
        (_, _, _, body), *_ = service.asked
    assert done.exit_code == 0, done.output
    left = datetime.fromisoformat(body["stop_at"]) - datetime.now(UTC)
    assert 8990 < left.total_seconds() < 9001
    assert done.stdout == f"{ID}\n", "a script reads the id and nothing else"
    assert f"{ID} stops at {body['stop_at'][:10]} {body['stop_at'][11:19]} UTC, in 2:29:5" in done.stderr


def test_without_a_length_it_says_what_ends_it_and_that_it_is_billed() -> None:
    with serving({"POST /v1/recordings": started}) as service:
        done = service.typed("record", "https://class.example.org")
    assert done.stdout == f"{ID}\n"
    assert f"{ID} records, and is billed, until `pagereel stop {ID}`, for 3 h at most" in done.stderr


def test_json_is_one_document_and_nothing_beside_it() -> None:
    with serving({"POST /v1/recordings": started}) as service:
        done = service.typed("record", "https://class.example.org", "--json")
    assert json.loads(done.output)["id"] == ID


def test_a_number_without_a_unit_starts_nothing() -> None:
    with serving({"POST /v1/recordings": started}) as service:
        done = service.typed("record", "https://class.example.org", "--for", "10")
        assert service.asked == []
    assert done.exit_code == 2
    assert "10 of what?" in done.output
