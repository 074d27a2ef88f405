"""Uploads into an Azure container, Agora's vendor 5, with Microsoft's library.

It does not handle tasks or names, and never shows a key.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from emulator.requests.storage_config import Storage

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobServiceClient

_ATTEMPT_SECONDS = 60.0


class AzureRefused(Exception):
    """Azure refused the request. The message is its error code."""


class AzureAway(Exception):
    """Azure did not answer, or answered with a server error."""


class AzureUploader:
    """Uploads blobs, with one client for each account until `close`. `endpoint` is the address of an Azure emulator
    with the account in the path. Without it, the account's own host is used."""

    def __init__(self, endpoint: str | None) -> None:
        self._endpoint = endpoint
        self._stack = AsyncExitStack()
        self._clients: dict[tuple[str, str], BlobServiceClient] = {}

    async def put(self, storage: Storage, key: str, body: bytes | Path, content_type: str) -> None:
        """Write one blob in one attempt. Raise AzureRefused or AzureAway on failure."""
        try:
            from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415 - an extra
            from azure.storage.blob import ContentSettings  # noqa: PLC0415
        except ModuleNotFoundError:
            raise AzureRefused("the emulator is without the extra `azure`") from None
        data = body if isinstance(body, bytes) else await asyncio.to_thread(body.read_bytes)
        settings = ContentSettings(content_type=content_type)
        try:
            client = await self._client(storage)
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                blob = client.get_blob_client(storage.bucket, key)
                await blob.upload_blob(data, overwrite=True, content_settings=settings)
        except HttpResponseError as error:
            status, word = error.status_code or 500, str(getattr(error, "error_code", None) or "unknown")
            raise (AzureAway if status >= 500 else AzureRefused)(word) from error
        except ValueError as error:  # the key is not base64
            raise AzureRefused("AuthenticationFailed") from error
        except (AzureError, OSError, TimeoutError) as error:
            raise AzureAway(type(error).__name__) from error

    async def close(self) -> None:
        """Close all clients."""
        await self._stack.aclose()
        self._clients.clear()

    async def _client(self, storage: Storage) -> BlobServiceClient:
        from azure.storage.blob.aio import BlobServiceClient  # noqa: PLC0415

        name = (storage.access_key, storage.secret_key)
        if name not in self._clients:
            account = storage.access_key
            own = f"https://{account}.blob.core.windows.net"
            url = own if self._endpoint is None else f"{self._endpoint.rstrip('/')}/{account}"
            if not urlsplit(url).hostname:
                raise AzureRefused("the endpoint is no URL")
            client = BlobServiceClient(url, credential=storage.secret_key, retry_total=0)
            self._clients[name] = await self._stack.enter_async_context(client)
        return self._clients[name]
