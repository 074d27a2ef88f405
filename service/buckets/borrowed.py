"""A base class for buckets that add behaviour to some requests of another bucket."""

from service.buckets import Bucket
from service.report import ListedObject


class BorrowedBucket:
    """Delegates `presign` and the probes to a bucket that its owner closes."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def presign(self, key: str, seconds: int) -> str:
        """Sign a URL; see `Bucket`. No request is made."""
        return await self._bucket.presign(key, seconds)

    async def probe_read(self, prefix: str) -> ListedObject | None:
        """Try to list and read; see `Bucket`."""
        return await self._bucket.probe_read(prefix)

    async def probe_write(self, key: str) -> None:
        """Try to write; see `Bucket`."""
        await self._bucket.probe_write(key)

    async def close(self) -> None:
        """Do nothing, since the owner closes the bucket."""
