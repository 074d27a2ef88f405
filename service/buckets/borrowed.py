"""A bucket that passes on what it does not change, for classes that add something to some of its requests."""

from service.buckets import Bucket
from service.report import ListedObject


class BorrowedBucket:
    """Passes on `presign` and the probes. The lender of the bucket closes it."""

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
        """Hold nothing, so close nothing."""
