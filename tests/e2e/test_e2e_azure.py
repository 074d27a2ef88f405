"""The main job with Azure in place of S3: written by Microsoft's library, listed, judged and linked by ours."""

import asyncio

from azure.storage.blob import BlobServiceClient
from house import Living, eventually, prefix_of
from yarl import URL

from tests.servers import Azurite

CONTAINER = "lessons"


async def test_a_recording_in_an_azure_container_is_verified_and_loses_nothing_unseen(
    build: Living, azurite: Azurite
) -> None:
    client = BlobServiceClient(f"{azurite.endpoint}/{azurite.account}", credential=azurite.key)
    keys = {"access_key": azurite.account, "secret_key": azurite.key}
    archive = {"vendor": 5, "endpoint": azurite.endpoint, "bucket": CONTAINER, "write": keys, "read": keys}
    with client:
        container = await asyncio.to_thread(client.create_container, CONTAINER)
        async with build(
            settings={"storage": {"archive": archive}}, emulator={"azure_endpoint": azurite.endpoint}
        ) as house:
            recording = await house.start()
            await house.slices(recording, 2)
            await house.do(recording, "stop")
            shown = await house.until(recording, "verified")
            assert shown["coverage"]["unexplained_seconds"] == 0

            files = await house.files(recording, links="true")
            written = await asyncio.to_thread(
                lambda: sorted(blob.name for blob in container.list_blobs(prefix_of(recording)))
            )
            assert [file["key"] for file in files] == written
            async with house.http.get(URL(files[0]["link"], encoded=True)) as answer:
                assert (answer.status, len(await answer.read())) == (200, files[0]["size_bytes"])

            victim = next(file["key"] for file in files if file["kind"] == "slice")
            await asyncio.to_thread(container.delete_blob, victim)
            await house.do(recording, "verify")

            async def told() -> bool:
                found = (await house.shown(recording))["latest_report"]["findings"]
                return ("object_vanished", victim) in {(one["code"], one["object"]) for one in found}

            await eventually(told, what="the loss in a report")
