"""A filter by a name that exists nowhere is refused with the names that exist, and no empty list."""

from typing import Any

import pytest

from service.database.engine.database import Database
from service.database.notifications.inbox import Inbox
from service.database.recordings import insert_recording
from service.database.sealing import Seals
from service.errors import ServiceError
from service.operations import Caller, Operations, RecordingFilter, Scope
from service.settings import Settings
from tests.database.samples import recording

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
APP = {"app_id": "a", "customer_id": "b", "customer_secret": "c", "ncs_secrets": ["d"]}
SETTINGS = Settings.model_validate(
    {
        "deployment": "test",
        "apps": {"demo": APP, "second": APP},
        "endpoints": {
            "crm": {"url": "https://crm.example.org/", "secrets": [SECRET]},
            "theirs": {"url": "https://other.example.org/", "secrets": [SECRET], "owners": ["other"]},
        },
    }
)


def caller(owner: str = "school", **more: Any) -> Caller:
    return Caller("token", owner, frozenset(Scope), **more)


async def refused(act: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as raised:
        await act
    (error,) = raised.value.errors
    return error.pointer, error.message


async def test_an_app_is_known_by_the_settings_or_by_a_recording_of_the_owner(database: Database, seals: Seals) -> None:
    await database.run(lambda connection: insert_recording(connection, recording(app="gone"), due_at=None))
    async with Inbox(database, seals) as inbox:
        operations = Operations(SETTINGS, database, seals, inbox, links=_none, fetch=_none)

        async def listed(app: str, owner: str = "school", **more: Any) -> int:
            where = RecordingFilter(app=app, **more)
            return len((await operations.list(caller(owner), where, None, 10)).items)

        assert await listed("demo") == 0
        assert await listed("gone") == 1
        assert await listed("gone", labels={"lesson": "42"}) == 0, "other filters do not make a name unknown"
        assert await refused(listed("nope")) == ("?app", "is unknown; available: demo, second")
        assert await refused(listed("gone", "other")) == ("?app", "is unknown; available: demo, second")


async def test_an_endpoint_is_known_by_the_settings_alone_or_by_a_message(database: Database, seals: Seals) -> None:
    async with Inbox(database, seals) as inbox:
        outgoing = Operations(SETTINGS, database, seals, inbox, links=_none, fetch=_none).messages

        async def listed(endpoint: str) -> int:
            page = await outgoing.deliveries(caller(), state=None, endpoint=endpoint, cursor=None, limit=10)
            return len(page.items)

        assert await listed("crm") == 0
        for name in ("nope", "theirs"):
            assert await refused(listed(name)) == ("?endpoint", "is unknown; available: crm")
            asked = outgoing.redrive(caller(), endpoint=name, message_ids=None)
            assert await refused(asked) == ("/endpoint", "is unknown; available: crm")
            with pytest.raises(ServiceError, match="no such endpoint; available: crm"):
                await outgoing.enable(caller(), name)
        assert await outgoing.redrive(caller(), endpoint="crm", message_ids=None) == 0


async def _none(*_: Any) -> Any:
    raise AssertionError
