"""Uploads into the bucket of a task's storageConfig (agora-reference §3.4, §9.6).

Contains all access to object storage. It does not handle tasks or names, and never shows a key.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader

from emulator.requests.storage_config import VENDOR_AZURE, VENDOR_S3, VENDOR_S3_COMPATIBLE, Storage
from emulator.uploads.azure import AzureAway, AzureRefused, AzureUploader

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

CONFIGURATION_WRONG = 32
UPLOAD_FAILED = 47
_CONFIGURATION_CODES = {
    *("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket", "InvalidBucketName"),
    *("ExpiredToken", "InvalidToken", "AllAccessDisabled", "PermanentRedirect", "AuthorizationHeaderMalformed"),
}
_PART_BYTES = 8 * 1024 * 1024
_ATTEMPT_SECONDS = 30.0
_AWS_REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1"),
    *("ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "ap-northeast-2", "sa-east-1", "ca-central-1"),
    *("ap-south-1", "cn-north-1", "cn-northwest-1", "us-gov-west-1", "af-south-1", "ap-east-1", "ap-northeast-3"),
    *("eu-north-1", "me-south-1", "us-gov-east-1", "ap-southeast-3", "eu-south-1"),
)


class UploadError(Exception):
    """The file is lost. `code` is an upload error of agora-reference §8.7. With code 32, no other file can arrive
    either."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class StorageAway(Exception):
    """The storage did not answer, or answered with a server error. A retry may succeed."""


@dataclass(frozen=True, slots=True)
class _Target:
    """The parameters that determine a client."""

    endpoint: str | None
    region: str
    path_style: bool
    access_key: str
    secret_key: str
    session_token: str | None


class Uploader:
    """Uploads objects, with one client for each endpoint and key pair until `close`."""

    def __init__(self, *, scheme: str, endpoint: str | None, azure_endpoint: str | None = None) -> None:
        self._scheme, self._endpoint, self._azure_endpoint = scheme, endpoint, azure_endpoint
        self._azure = AzureUploader(azure_endpoint)
        self._session = AioSession()
        self._session.register_component("data_loader", _descriptions())
        self._stack = AsyncExitStack()
        self._clients: dict[_Target, S3Client] = {}
        self._making = asyncio.Lock()

    async def warm_up(self) -> None:
        """Load botocore's descriptions of S3 early and once, because loading blocks the event loop for a tenth of a
        second."""
        async with self._make(_Target("http://127.0.0.1:9", "us-east-1", True, "none", "none", None)):
            pass

    async def put(self, storage: Storage, key: str, body: bytes | Path, content_type: str) -> None:
        """Write one object in one attempt. Raise UploadError if refused, and StorageAway if the storage is
        unavailable."""
        if storage.vendor == VENDOR_AZURE and (self._azure_endpoint is not None or self._endpoint is None):
            await self._put_azure(storage, key, body, content_type)
            return
        try:
            await self._put_once(await self._client(storage), storage.bucket, key, body, content_type)
        except ClientError as error:
            code, status = _describe(error)
            if status >= 500:
                raise StorageAway(code) from error
            raise UploadError(CONFIGURATION_WRONG if code in _CONFIGURATION_CODES else UPLOAD_FAILED, code) from error
        except (BotoCoreError, OSError, TimeoutError) as error:
            raise StorageAway(type(error).__name__) from error

    async def close(self) -> None:
        """Close all clients."""
        await self._azure.close()
        await self._stack.aclose()
        self._clients.clear()

    async def _put_azure(self, storage: Storage, key: str, body: bytes | Path, content_type: str) -> None:
        try:
            await self._azure.put(storage, key, body, content_type)
        except AzureRefused as error:
            raise UploadError(CONFIGURATION_WRONG, str(error)) from error
        except AzureAway as error:
            raise StorageAway(str(error)) from error

    async def _put_once(self, client: S3Client, bucket: str, key: str, body: bytes | Path, content_type: str) -> None:
        if isinstance(body, Path) and _size(body) > _PART_BYTES:
            await self._put_parts(client, bucket, key, body, content_type)
            return
        data = body if isinstance(body, bytes) else await asyncio.to_thread(body.read_bytes)
        async with asyncio.timeout(_ATTEMPT_SECONDS):
            await client.put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type)

    async def _put_parts(self, client: S3Client, bucket: str, key: str, path: Path, content_type: str) -> None:
        """Upload a big file in parts, because signing hashes each body on the event loop."""
        upload = await client.create_multipart_upload(Bucket=bucket, Key=key, ContentType=content_type)
        tags: list[str] = []
        for offset in range(0, _size(path), _PART_BYTES):
            data = await asyncio.to_thread(_read_part, path, offset)
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                part = await client.upload_part(
                    Bucket=bucket, Key=key, UploadId=upload["UploadId"], PartNumber=len(tags) + 1, Body=data
                )
            tags.append(part["ETag"])
        await client.complete_multipart_upload(
            Bucket=bucket,
            Key=key,
            UploadId=upload["UploadId"],
            MultipartUpload={"Parts": [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]},
        )

    async def _client(self, storage: Storage) -> S3Client:
        target = self._target(storage)
        async with self._making:
            if target not in self._clients:
                client = await self._stack.enter_async_context(self._make(target))
                client.meta.events.register("before-call.s3", _stay_in_region)
                self._clients[target] = client
            return self._clients[target]

    def _make(self, target: _Target) -> AbstractAsyncContextManager[S3Client]:
        return self._session.create_client(
            "s3",
            region_name=target.region,
            endpoint_url=target.endpoint,
            aws_access_key_id=target.access_key,
            aws_secret_access_key=target.secret_key,
            aws_session_token=target.session_token,
            config=AioConfig(
                signature_version="s3v4",
                s3={"addressing_style": "path" if target.path_style else "auto"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=5,
                read_timeout=20,
                max_pool_connections=64,
                retries={"total_max_attempts": 1},
            ),
        )

    def _target(self, storage: Storage) -> _Target:
        endpoint, region = self._endpoint, "us-east-1"
        if storage.vendor == VENDOR_S3_COMPATIBLE and storage.endpoint is not None:
            endpoint = storage.endpoint if "://" in storage.endpoint else f"{self._scheme}://{storage.endpoint}"
        elif storage.vendor == VENDOR_S3:
            region = _AWS_REGIONS[storage.region]
        elif endpoint is None:
            raise UploadError(CONFIGURATION_WRONG, f"the emulator has no storage for vendor {storage.vendor}")
        return _Target(
            endpoint, region, endpoint is not None, storage.access_key, storage.secret_key, storage.session_token
        )


def _stay_in_region(params: dict[str, Any], **_: Any) -> None:
    """Prevent botocore from redirecting to the right region, because a wrong region must be refused."""
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


@cache
def _descriptions() -> Loader:
    """Return botocore's descriptions of services. They are cached, because reading them takes a tenth of a second."""
    return create_loader()


def _size(path: Path) -> int:
    return path.stat().st_size


def _read_part(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(_PART_BYTES)


def _describe(error: ClientError) -> tuple[str, int]:
    code = error.response.get("Error", {}).get("Code", "unknown")
    return code, error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
