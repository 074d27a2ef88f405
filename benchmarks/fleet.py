"""One worker's share of the fleet of `benchmarks.verify`: `python -m benchmarks.fleet ENDPOINT KEY FIRST END`.

It judges the recordings from FIRST to END - 1 at `structure`, eight at once, and prints how many requests and bytes it
took.
"""

import asyncio
import json
import sys

import aiohttp
from aiobotocore.session import AioSession

from benchmarks.recordings import expected
from pagereel.serving import calm_interpreter
from service.buckets import Keys
from service.buckets.s3 import S3Bucket
from service.recording import Location
from service.report import Level, Verdict
from service.verifier import judge_recording

AT_ONCE = 8


async def judge(endpoint: str, keys: Keys, numbers: range) -> tuple[int, int]:
    """How many requests and bytes it takes."""
    turns = asyncio.Semaphore(AT_ONCE)
    location = Location(11, 0, "bench", endpoint, True, ())
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as http,
        S3Bucket(location, keys, http=http, session=AioSession()) as bucket,
    ):

        async def one(number: int) -> tuple[int, int]:
            async with turns:
                report = await judge_recording(bucket, expected(f"r{number:04d}/", 1), Level.STRUCTURE, seed=number)
            if report.verdict is not Verdict.VERIFIED or report.level is not Level.STRUCTURE:
                raise RuntimeError(f"{report.verdict} at {report.level}: {report.findings[:3]}")
            return report.requests, report.bytes_read

        done = await asyncio.gather(*map(one, numbers))
    return sum(requests for requests, _ in done), sum(size for _, size in done)


def main() -> None:
    endpoint, key, first, end = sys.argv[1:]
    calm_interpreter()
    print(json.dumps(asyncio.run(judge(endpoint, Keys(key, key), range(int(first), int(end))))))


if __name__ == "__main__":
    main()
