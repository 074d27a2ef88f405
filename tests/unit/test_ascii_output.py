"""An output that is not in UTF-8 takes every text and every JSON: what it lacks is escaped. Nothing is a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_rig import recording, serving

ROOT = Path(__file__).parents[2]
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
LABELS = {"lesson": "Größe … \U0001f393"}


def printed(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], env=os.environ | ASCII | env, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("program", ["pagereel", "emulator"])
def test_text_that_is_not_in_ascii_is_escaped(tmp_path: Path, program: str) -> None:
    # It stands before the real module, which both programs import after they have set up their output.
    (tmp_path / "click.py").write_text("print('so far \\u2026 \\U0001f393')\nraise SystemExit(0)\n")
    done = printed("-m", program, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "so far \\u2026 \\U0001f393\n", "")


def listed(encoding: str, *words: str) -> str:
    shown = recording(labels=LABELS, page="https://class.example.org/?\u2026")
    with serving({"GET /v1/recordings": (200, {"items": [shown], "next": None})}) as service:
        where = {"PAGEREEL_URL": service.url, "PAGEREEL_TOKEN": "prl_a_token"}
        done = printed("-m", "pagereel", "list", *words, **where, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    return done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_table_has_escapes(encoding: str) -> None:
    assert "https://class.example.org/?\\u2026" in listed(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_json_stays_json(encoding: str) -> None:
    assert json.loads(listed(encoding, "--json"))[0]["labels"] == LABELS
