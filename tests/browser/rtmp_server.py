"""Debian's nginx with its rtmp module, receiving what is pushed to it and writing it to files."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
_THERE = {"nginx": shutil.which("nginx") is not None, "libnginx-mod-rtmp": MODULE.exists()}
MISSING = [package for package, there in _THERE.items() if not there]


class RtmpServer:
    """Takes streams at `url(key)`; what it got of each lies in `recorded(key)`."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="pagereel-rtmp-")
        root = Path(self._folder.name)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        (root / "recorded").mkdir()
        (root / "nginx.conf").write_text(self._settings(root))
        command = ["nginx", "-p", str(root), "-c", str(root / "nginx.conf"), "-e", str(root / "error.log")]
        self._process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < deadline, (root / "error.log").read_text()
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._folder.cleanup()

    def url(self, key: str) -> str:
        return f"rtmp://127.0.0.1:{self._port}/live/{key}"

    def recorded(self, key: str) -> Path | None:
        """The newest file of a stream."""
        found = (Path(self._folder.name) / "recorded").glob(f"{key}*.flv")
        return max(found, key=lambda path: path.stat().st_mtime, default=None)

    def stop(self) -> None:
        """Vanish, as a target does."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), 0.2).close()
        except OSError:
            return False
        return True

    def _settings(self, root: Path) -> str:
        user = "user root;" if os.geteuid() == 0 else ""
        return f"""
load_module {MODULE};
{user}
daemon off;
worker_processes 1;
pid {root}/nginx.pid;
events {{ worker_connections 64; }}
rtmp {{
  access_log off;
  server {{
    listen 127.0.0.1:{self._port};
    application live {{ live on; record all; record_path {root}/recorded; record_unique on; }}
  }}
}}
"""
