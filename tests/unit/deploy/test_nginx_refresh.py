"""The documented refresh of nginx's list of Agora's addresses."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("pagereel", "kept"),
    [("echo 'allow 192.0.2.1;'", "allow 192.0.2.1;\n"), ("exit 2", "allow 192.0.2.7;\n")],
    ids=["answers", "does-not-answer"],
)
def test_the_list_is_replaced_by_a_whole_one_alone(tmp_path: Path, pagereel: str, kept: str) -> None:
    """An empty list lets everybody in, and nginx takes it without a word."""
    page = (ROOT / "docs/deployment.md").read_text(encoding="utf-8").partition("## nginx")[2]
    (command,) = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[:1]
    for name, does in (("pagereel", pagereel), ("nginx", "true")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "agora-sources.conf").write_text("allow 192.0.2.7;\n")
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = subprocess.run(["sh", "-c", command.replace("/etc/nginx", str(tmp_path))], env=path, check=False)
    assert (ended.returncode == 0) == (pagereel != "exit 2")
    assert (tmp_path / "agora-sources.conf").read_text() == kept
