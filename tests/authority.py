"""A stamping authority of the tests: certificates by `cryptography`, answers by `openssl ts`, HTTP on loopback."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from emulator.app import close

CONFIG = """
[tsa]
default_tsa = own
[own]
dir = {folder}
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


class Authority:
    """`ca` is the file of the certificate to trust. `answer` does what an authority does with a query."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.ca = folder / "ca.pem"
        self._config = folder / "tsa.cnf"
        self._config.write_text(CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")
        root_key, own_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root = _certificate("Root", "Root", root_key, root_key, root=True)
        own = _certificate("Stamps", "Root", own_key, root_key, stamping=True)
        self.ca.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        (folder / "tsa.pem").write_bytes(own.public_bytes(serialization.Encoding.PEM))
        private = own_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / "tsa.key").write_bytes(private)

    def answer(self, query: bytes) -> bytes:
        """The answer to a query, by openssl."""
        command = ["openssl", "ts", "-reply", "-queryfile", "/dev/stdin", "-config", str(self._config)]
        return subprocess.run(command, input=query, capture_output=True, check=True, timeout=30).stdout

    def stamp(self, request: web.Request, query: bytes) -> web.Response:
        """`answer` over HTTP."""
        assert request.headers["Content-Type"] == "application/timestamp-query"
        return web.Response(body=self.answer(query), content_type="application/timestamp-reply")


def _certificate(
    name: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    root: bool = False,
    stamping: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=root, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if stamping:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(signer, hashes.SHA256())


@asynccontextmanager
async def listening(answer: Callable[[web.Request, bytes], web.StreamResponse]) -> AsyncIterator[str]:
    """The URL of a server that answers what is posted to it as `answer`, called in a thread, says."""

    async def stamp(request: web.Request) -> web.StreamResponse:
        return await asyncio.to_thread(answer, request, await request.read())

    app = web.Application()
    app.router.add_post("/stamp", stamp)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/stamp"
    finally:
        await close(runner)
