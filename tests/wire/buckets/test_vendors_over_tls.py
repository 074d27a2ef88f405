"""Every vendor's PUT, LIST, GET and HEAD is sent once over TLS, to a stand-in at the vendor's own name and port."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiobotocore.session import AioSession
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from emulator.app import close
from service.buckets import Bucket, Keys
from service.buckets.azure import AzureBucket
from service.buckets.s3 import S3Bucket
from service.buckets.vendors import AMAZON, AZURE, COMPATIBLE, VENDORS, Dialect
from service.recording import Location

KEY = "p/pagereelprobe"
KEYS = Keys("AKIDEXAMPLE", "a-secret")
ACCOUNT = Keys("recaccount", "bm90LWEtcmVhbC1hY2NvdW50LWtleS1vZi1henVyZSE=")
LISTING = """<ListBucketResult><IsTruncated>false</IsTruncated>
<Contents><Key>{key}</Key><Size>{size}</Size><ETag>"e"</ETag></Contents></ListBucketResult>"""
AZURE_LISTING = """<EnumerationResults><Blobs><Blob><Name>{key}</Name>
<Properties><Content-Length>{size}</Content-Length><Etag>e</Etag></Properties></Blob></Blobs></EnumerationResults>"""


class Store:
    """Keeps what is written, and how it was sent."""

    def __init__(self) -> None:
        self.body = b""
        self.asked: list[tuple[str, str]] = []
        self.written_with: dict[str, str] = {}

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.host))
        if request.method == "PUT":
            self.body = await request.read()
            self.written_with = {name.lower(): value for name, value in request.headers.items()}
            return web.Response(status=201 if "x-ms-version" in request.headers else 200)
        if request.path.endswith(KEY):
            return web.Response(body=self.body, headers={"ETag": '"e"'})
        listing = AZURE_LISTING if request.query.get("comp") == "list" else LISTING
        return web.Response(text=listing.format(key=KEY, size=len(self.body)), content_type="application/xml")


class _Here(AbstractResolver):
    """Every name and port is the stand-in's."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = ResolveResult(hostname=host, host="127.0.0.1", port=self._port, family=socket.AF_INET, proto=0, flags=0)
        return [found]

    async def close(self) -> None:
        return


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate with its key, for any name: the client is told not to look."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "store")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    file = tmp_path_factory.mktemp("tls") / "store.pem"
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + encoded)
    return file


@asynccontextmanager
async def opened(vendor: int, certificate: Path, store: Store) -> AsyncIterator[Bucket]:
    """The bucket of a vendor whose every host is the stand-in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", store.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        resolver = _Here(runner.addresses[0][1])
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=resolver, ssl=False)) as http:
            endpoint = "https://s3.example.org" if vendor == COMPATIBLE else None
            region = min(VENDORS[vendor].regions, default=0)
            place = Location(vendor, region, "rec-bucket", endpoint, False, ("p",))
            if vendor == AZURE:
                yield AzureBucket(place, ACCOUNT, http=http)
                return
            dialect = Dialect(region_name=None if VENDORS[vendor].regions else "free", legacy=True)
            async with S3Bucket(place, KEYS, http=http, session=AioSession(), dialect=dialect) as bucket:
                yield bucket
    finally:
        await close(runner)


@pytest.mark.parametrize("vendor", sorted(VENDORS))
async def test_a_vendor_is_written_listed_read_and_asked_over_tls(vendor: int, certificate: Path) -> None:
    store = Store()
    async with opened(vendor, certificate, store) as bucket:
        await bucket.probe_write(KEY)
        pages = [page async for page in bucket.list_objects("p/")]
        first = await bucket.probe_read("p/")
        fetched = await bucket.fetch(KEY, 100)
        headed = await bucket.head(KEY)
    assert store.body == b"Pagereel was here.\n"
    assert "transfer-encoding" not in store.written_with
    assert store.written_with["content-length"] == str(len(store.body))
    assert ("content-md5" in store.written_with) == (vendor == AMAZON)
    assert [one.key for page in pages for one in page] == [KEY]
    assert first is not None
    assert fetched is not None
    assert fetched.content == store.body
    assert headed.size_bytes == len(store.body)
    assert {method for method, _ in store.asked} == {"PUT", "GET", "HEAD"}
    hosts = {host for _, host in store.asked}
    assert len(hosts) == 1
    assert hosts.pop() != "127.0.0.1"
