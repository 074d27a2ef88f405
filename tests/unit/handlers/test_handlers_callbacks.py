"""The callback listener: two routes, raw bytes, and always an answer in time."""

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from handlers_stand_in import StandIn

from metrics import REGISTRY
from service.errors import Code, ServiceError

Client = TestClient[Any, Any]

PATH = "/agora/main/notifications"


async def test_raw_bytes_and_both_signatures_reach_the_operation(callbacks: Client, operations: StandIn) -> None:
    body = b' {"noticeId":"n",\n"payload":"caf\xc3\xa9"} '
    headers = {"Agora-Signature-V2": "two", "agora-signature": "one"}
    response = await callbacks.post(PATH, data=body, headers=headers)
    assert response.status == 200
    assert response.content_type == "application/json"
    assert await response.json() == {}
    assert operations.calls == [("receive", ("main", body, "two", "one"))]


async def test_a_notice_without_signature_is_left_to_the_operation(callbacks: Client, operations: StandIn) -> None:
    await callbacks.post(PATH, data=b"{}")
    assert operations.calls == [("receive", ("main", b"{}", None, None))]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ServiceError(Code.UNAUTHORIZED, "wrong signature"), 401),
        (ServiceError(Code.NOT_FOUND, "unknown app"), 404),
        (ServiceError(Code.UNAVAILABLE, "database locked at /srv"), 503),
        (RuntimeError("secret inside"), 500),
        (TimeoutError(), 500),
        (ConnectionResetError(), 500),
    ],
)
async def test_each_refusal_has_its_status_and_says_no_more(
    callbacks: Client, operations: StandIn, error: Exception, status: int
) -> None:
    operations.error = error
    response = await callbacks.post(PATH, data=b"{}")
    assert response.status == status
    assert list(await response.json()) == ["code"]


async def test_a_body_above_64_kib_is_413_and_one_of_64_kib_is_taken(callbacks: Client, operations: StandIn) -> None:
    assert (await callbacks.post(PATH, data=b"x" * 65537)).status == 413
    assert operations.calls == []
    assert (await callbacks.post(PATH, data=b"x" * 65536)).status == 200


@pytest.mark.parametrize("size", ["65537", "10000000000", "9" * 18])
async def test_a_body_that_says_itself_that_it_is_too_large_is_413_before_it_comes(
    callbacks: Client, operations: StandIn, size: str
) -> None:
    reader, writer = await asyncio.open_connection(callbacks.host, callbacks.port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n{{".encode())
    async with asyncio.timeout(30):
        answer = await reader.readuntil(b"}")
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in answer
    assert operations.calls == []


async def test_a_body_that_stays_silent_is_408(callbacks: Client, operations: StandIn) -> None:
    reader, writer = await asyncio.open_connection(callbacks.host, callbacks.port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
    async with asyncio.timeout(30):
        answer = await reader.readuntil(b"}")
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert operations.calls == []


async def test_a_body_that_comes_in_time_in_pieces_is_taken(callbacks: Client, operations: StandIn) -> None:
    reader, writer = await asyncio.open_connection(callbacks.host, callbacks.port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{".encode())
    await writer.drain()
    writer.write(b"}")
    async with asyncio.timeout(30):
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()
    assert operations.calls[0][1][1] == b"{}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", PATH),
        ("PUT", PATH),
        ("POST", "/agora/main"),
        ("POST", "/agora/main/notifications/"),
        ("GET", "/"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
        ("GET", "/v1/recordings"),
        ("POST", "/healthz"),
    ],
)
async def test_nothing_else_is_behind_the_callback_port(
    callbacks: Client, operations: StandIn, method: str, path: str
) -> None:
    response = await callbacks.request(method, path)
    assert response.status == 404
    assert response.headers["Server"] == "pagereel"
    assert operations.calls == []


async def test_health_asks_nobody(callbacks: Client, operations: StandIn) -> None:
    assert (await callbacks.get("/healthz")).status == 200
    assert operations.calls == []


async def test_notices_are_counted_by_class_of_status(callbacks: Client) -> None:
    labels = {"route": "/agora/{app}/notifications", "method": "POST", "status": "2xx"}
    before = REGISTRY.get_sample_value("pagereel_http_requests_total", labels)
    assert before is not None
    await callbacks.post(PATH, data=b"{}")
    assert REGISTRY.get_sample_value("pagereel_http_requests_total", labels) == before + 1
