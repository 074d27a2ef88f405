"""The bill of materials names exactly what the lock pins, with its hashes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "deploy/image/bill_of_materials.py"


def made(lock: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, lock], check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("image", ["service", "emulator"])
def test_the_bill_of_an_image_names_what_its_lock_pins(image: str) -> None:
    lock = ROOT / f"deploy/image/{image}.lock"
    bill = json.loads(made(lock).stdout)
    text = lock.read_text()
    pinned = re.findall(r"^([^\s#=]+)==([^\s;\\]+)", text, re.MULTILINE)
    assert [(each["name"], each["version"]) for each in bill["components"]] == pinned
    assert sum(len(each["hashes"]) for each in bill["components"]) == text.count("--hash=sha256:")
    assert len({each["bom-ref"] for each in bill["components"]}) == len(pinned)
    versions = [each for each in bill["components"] if each["name"] == "av"]
    assert all("python_full_version" in each["properties"][0]["value"] for each in versions)
    assert made(lock).stdout == made(lock).stdout


def test_what_is_pinned_without_a_hash_has_no_bill(tmp_path: Path) -> None:
    lock = tmp_path / "bare.lock"
    lock.write_text("good==1 \\\n    --hash=sha256:" + "0" * 64 + "\nbare==2\n")
    done = made(lock)
    assert done.returncode != 0
    assert "bare is pinned without a hash" in done.stderr
