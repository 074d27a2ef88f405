"""A call over TLS that meets none, or a certificate that nobody trusts, says so in plain words."""

import datetime
import ssl
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from described_service import listening
from pagereel_client import Client, Patience, Unreachable

TOKEN = "prl_CANARY"
ONCE = Patience(total_seconds=0)


async def nothing(_: web.Request) -> web.Response:
    return web.Response()


async def reason(url: str) -> str:
    async with Client(url, TOKEN, patience=ONCE) as api:
        with pytest.raises(Unreachable) as raised:
            await api.alive()
    return str(raised.value)


async def test_https_at_a_port_without_tls_is_said() -> None:
    async with listening(nothing) as url:
        place = url.replace("http://", "https://")
        assert await reason(place) == f"{place} cannot be reached: it does not speak valid TLS"


async def test_a_certificate_that_nobody_trusts_is_said_with_the_reason(tmp_path: Path) -> None:
    async with listening(nothing, self_signed(tmp_path)) as url:
        told = await reason(url)
    assert told.startswith(f"{url} cannot be reached: its certificate is not trusted: self"), told


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - day).not_valid_after(now + day)
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "site.pem"
    file.write_bytes(encoded + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
