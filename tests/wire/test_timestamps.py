"""Time stamps by RFC 3161, with an authority by openssl: what is proven, what is refused, and what a failure costs."""

import asyncio
import base64
import hashlib
import json
import random
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner

from pagereel.cli import main
from service.dsse import SigningKey, public_text
from service.http.sender import Send, open_sender
from service.operations.evidence.statement import PAYLOAD_TYPE
from service.settings import Signing
from service.stamper import MOST_KEPT, REST_SECONDS, Stamper
from service.timestamps import (
    ANSWER_TYPE,
    MAX_ANSWER_BYTES,
    TimestampError,
    check_answer,
    make_request,
    read_certificates,
    verify_answer,
)
from tests.authority import Authority, listening
from tests.manifests import HASHED, KEY, sealed
from tests.nasty import NASTY_VALUES
from tests.nasty_server import NastyServer

MESSAGE = b"a signature"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "own")


@pytest.fixture(scope="module")
def answer(authority: Authority) -> bytes:
    return authority.answer(make_request(MESSAGE).as_bytes())


@pytest.fixture
async def send() -> AsyncIterator[Send]:
    async with open_sender() as opened:
        yield opened


def trusted(authority: Authority) -> list:  # type: ignore[type-arg]
    return read_certificates(authority.ca.read_text())


# --- what a stamp proves -----------------------------------------------------------------------------------------


def test_a_stamp_proves_when_and_by_whom(authority: Authority, answer: bytes) -> None:
    stamp = verify_answer(answer, MESSAGE, trusted(authority))
    assert stamp.authority == "CN=Stamps"
    assert abs(stamp.at - time.time()) < 120


def test_the_same_stamp_is_proven_by_openssl_alone(authority: Authority, answer: bytes, tmp_path: Path) -> None:
    """What `docs/verification.md` tells a third party to do, with no program of ours."""
    (tmp_path / "sig").write_bytes(MESSAGE)
    (tmp_path / "stamp.tsr").write_bytes(answer)
    command = ["openssl", "ts", "-verify", "-data", "sig", "-in", "stamp.tsr", "-CAfile", str(authority.ca)]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout.strip()) == (0, "Verification: OK"), done.stderr


def test_a_stamp_on_something_else_or_of_a_stranger_proves_nothing(
    authority: Authority, answer: bytes, tmp_path: Path
) -> None:
    with pytest.raises(TimestampError, match="Mismatch"):
        verify_answer(answer, MESSAGE + b" ", trusted(authority))
    with pytest.raises(TimestampError, match="certificates"):
        verify_answer(answer, MESSAGE, trusted(Authority(tmp_path / "stranger")))
    with pytest.raises(TimestampError):
        verify_answer(answer, MESSAGE, [])


def test_an_answer_to_another_request_is_refused(authority: Authority, answer: bytes) -> None:
    request = make_request(MESSAGE)
    check_answer(authority.answer(request.as_bytes()), request, MESSAGE)
    with pytest.raises(TimestampError, match="another request"):
        check_answer(answer, request, MESSAGE)  # the same message, and the nonce of another day


@pytest.mark.parametrize("odd", [b"", b"\x30", b"{}", b"\x30\x03\x02\x01\x02", bytes(MAX_ANSWER_BYTES + 1)])
def test_what_is_no_stamp_is_refused(odd: bytes, authority: Authority) -> None:
    for judge in (
        lambda: check_answer(odd, make_request(MESSAGE), MESSAGE),
        lambda: verify_answer(odd, MESSAGE, trusted(authority)),
    ):
        with pytest.raises(TimestampError):
            judge()


def test_a_refusal_of_the_authority_is_no_stamp(authority: Authority) -> None:
    refused = authority.answer(make_request(MESSAGE).as_bytes()[:-4] + b"\x00\x00\x00\x00")
    with pytest.raises(TimestampError):
        check_answer(refused, make_request(MESSAGE), MESSAGE)


def test_no_changed_bit_gives_another_time_and_none_raises_anything_else(authority: Authority, answer: bytes) -> None:
    told, roots, dice = verify_answer(answer, MESSAGE, trusted(authority)), trusted(authority), random.Random(7)
    for _ in range(600):
        changed = bytearray(answer)
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
        try:
            assert verify_answer(bytes(changed), MESSAGE, roots) == told
        except TimestampError:
            continue


# --- asking ------------------------------------------------------------------------------------------------------


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def stamper(send: Send, url: str, *, seconds: float = 5, ca: Path | None = None) -> Stamper:
    given = {"timestamp_url": url, "timestamp_ca": ca, "timestamp_seconds": seconds}
    return Stamper(Signing.model_validate(given), send, Clock())


async def test_whatever_an_authority_answers_the_manifest_goes_out_without_a_stamp() -> None:
    async with open_sender() as send, NastyServer() as nasty:
        for number in range(4 * len(NASTY_VALUES)):
            one = stamper(send, nasty.url)
            assert await one.stamp(b"%d" % number) is None
        assert nasty.answered == 4 * len(NASTY_VALUES)


def well(authority: Authority, asked: list[bytes]) -> Callable[[web.Request, bytes], web.Response]:
    def answer(request: web.Request, query: bytes) -> web.Response:
        assert request.headers["Content-Type"] == "application/timestamp-query"
        asked.append(query)
        return web.Response(body=authority.answer(query), content_type=ANSWER_TYPE)

    return answer


async def test_what_is_stamped_twice_is_asked_for_once_and_the_authority_sees_a_digest_alone(
    send: Send, authority: Authority
) -> None:
    asked: list[bytes] = []
    async with listening(well(authority, asked)) as url:
        own = stamper(send, url, ca=authority.ca)
        first, again = await own.stamp(MESSAGE), await own.stamp(MESSAGE)
        other = await own.stamp(b"another")
    assert first is not None
    assert (first, len(asked)) == (again, 2)
    assert other != first
    assert verify_answer(first, MESSAGE, trusted(authority))
    assert MESSAGE not in asked[0]
    assert hashlib.sha256(MESSAGE).digest() in asked[0]


async def test_stamps_are_kept_within_a_bound(send: Send, authority: Authority) -> None:
    asked: list[bytes] = []
    async with listening(well(authority, asked)) as url:
        own = stamper(send, url)
        own._kept = {bytes([number % 256, number // 256]): b"x" for number in range(MOST_KEPT)}
        assert await own.stamp(MESSAGE)
    assert len(own._kept) == MOST_KEPT


BAD: dict[str, Callable[[bytes], web.Response]] = {
    "an error": lambda _: web.Response(status=500),
    "a page": lambda _: web.Response(text="hello", content_type="text/html"),
    "nonsense": lambda _: web.Response(body=b"hello", content_type=ANSWER_TYPE),
    "nothing": lambda _: web.Response(body=b"", content_type=ANSWER_TYPE),
    "too much": lambda _: web.Response(body=bytes(2_000_000), content_type=ANSWER_TYPE),
    "a redirect": lambda _: web.Response(status=307, headers={"Location": "/elsewhere"}),
    "an answer of before": lambda old: web.Response(body=old, content_type=ANSWER_TYPE),
}


@pytest.mark.parametrize("kind", BAD)
async def test_an_authority_that_is_not_well_gives_no_stamp_and_is_left_alone_for_a_while(
    send: Send, kind: str, answer: bytes
) -> None:
    asked = []

    def bad(request: web.Request, query: bytes) -> web.Response:
        asked.append(request.path)
        return BAD[kind](answer)

    async with listening(bad) as url:
        own = stamper(send, url)
        assert (await own.stamp(MESSAGE), await own.stamp(MESSAGE), asked) == (None, None, ["/stamp"])
        own._clock.now += REST_SECONDS  # type: ignore[attr-defined]
        assert (await own.stamp(MESSAGE), len(asked)) == (None, 2)


async def test_an_authority_whose_certificates_are_not_trusted_gives_no_stamp(
    send: Send, authority: Authority, tmp_path: Path
) -> None:
    async with listening(well(authority, [])) as url:
        assert await stamper(send, url, ca=Authority(tmp_path / "other").ca).stamp(MESSAGE) is None


async def test_a_silent_authority_is_waited_for_no_longer_than_the_setting_says(send: Send) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        own = stamper(send, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seconds=0.2)
        began = time.monotonic()
        assert await asyncio.gather(*(own.stamp(bytes([number])) for number in range(20))) == [None] * 20
        assert time.monotonic() - began < 2


async def test_an_authority_that_is_not_there_gives_no_stamp(send: Send) -> None:
    assert await stamper(send, "http://127.0.0.1:9/").stamp(MESSAGE) is None


async def test_certificates_that_were_spoilt_meanwhile_fail_no_answer(
    send: Send, authority: Authority, tmp_path: Path
) -> None:
    copy = tmp_path / "ca.pem"
    copy.write_bytes(authority.ca.read_bytes())
    async with listening(well(authority, [])) as url:
        own = stamper(send, url, ca=copy)
        copy.write_text("half a rotation")
        assert await own.stamp(MESSAGE) is None


# --- `pagereel manifest check` -----------------------------------------------------------------------------------


def stamped(stamps: list[bytes] | None) -> bytes:
    given = json.loads(sealed(*HASHED))
    return KEY.sign(base64.b64decode(given["payload"]), PAYLOAD_TYPE).encode(stamps)


def signature() -> bytes:
    return base64.b64decode(json.loads(stamped(None))["signatures"][0]["sig"])


def check(folder: Path, envelope: bytes, key: SigningKey = KEY, ca: Path | None = None) -> tuple[int, str]:
    (folder / "manifest.json").write_bytes(envelope)
    (folder / "key.pem").write_text(public_text(key.public))
    words = ["manifest", "check", str(folder / "manifest.json"), "--key", str(folder / "key.pem")]
    done = CliRunner().invoke(main, [*words, *(("--timestamp-ca", str(ca)) if ca else ())])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, done.output


def test_a_stamped_manifest_is_checked_from_files_alone(authority: Authority, tmp_path: Path) -> None:
    good = authority.answer(make_request(signature()).as_bytes())
    code, text = check(tmp_path, stamped([b"nonsense", good]), ca=authority.ca)
    assert (code, "stamped 20" in text, "by CN=Stamps" in text) == (0, True, True), text
    code, text = check(tmp_path, stamped([good]))
    assert (code, "1 time stamp(s), not checked" in text) == (0, True), text


def test_a_manifest_without_a_proven_stamp_is_refused_where_one_is_demanded(
    authority: Authority, answer: bytes, tmp_path: Path
) -> None:
    good = authority.answer(make_request(signature()).as_bytes())
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for stamps, ca, reason in (
        (None, authority.ca, "it has no time stamp"),
        ([], authority.ca, "it has no time stamp"),
        ([answer], authority.ca, "Mismatch"),
        ([b""], authority.ca, "not a time stamp"),
        ([good], Authority(tmp_path / "other").ca, "certificates"),
        ([good], empty, "no certificates"),
    ):
        code, text = check(tmp_path, stamped(stamps), ca=ca)
        assert (code, reason in text) == (2 if ca is empty else 1, True), text
