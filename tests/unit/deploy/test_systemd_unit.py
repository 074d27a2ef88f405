"""The systemd unit, and what the documents say about a unit that is stopped."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_secret_of_the_unit_is_found_by_its_name_while_the_unit_is_stopped(tmp_path: Path) -> None:
    """`/run/credentials` is gone then: the documented command leads to the file that each credential is a copy of."""
    unit = (ROOT / "deploy/systemd/pagereel.service").read_text(encoding="utf-8")
    secrets = dict(re.findall(r"^LoadCredential=(\S+?):(\S+)$", unit, re.MULTILINE))
    assert secrets
    page = (ROOT / "docs/deployment.md").read_text(encoding="utf-8").partition("## systemd")[2]
    (command,) = re.findall(r"^sed .*$", page, re.MULTILINE)
    settings, stopped = tmp_path / "pagereel.toml", tmp_path / "stopped.toml"
    settings.write_text("".join(f"/run/credentials/pagereel.service/{name}\n" for name in secrets))
    moved = command.replace("/etc/pagereel/pagereel.toml", str(settings)).replace(
        "/etc/pagereel/stopped.toml", str(stopped)
    )
    subprocess.run(["sh", "-euc", moved], check=True)
    assert stopped.read_text().splitlines() == list(secrets.values())
