"""A reader that goes before the end of a command's output, as in `pagereel list | head -1`, is no failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_rig import ID, REPORT, recording, serving

# What is printed is kept until the end, as it is by default.
BUFFERED = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
ROOT = Path(__file__).parents[2]
PAGE = (200, {"items": [], "next": "end"})
ANSWERS = {
    "GET /v1/recordings": (200, {"items": [recording()] * 200, "next": None}),
    "GET /v1/usage": (200, {"items": [], "month": "2026-11", "currency": "USD", "cost": 0.0, "seconds": 0.0}),
    "GET /v1/(actions|messages|notifications|endpoints|events)": PAGE,
    f"GET /v1/recordings/{ID}/(timeline|files)": (200, {"items": [], "next": None}),
    f"POST /v1/recordings/{ID}/verify": (202, recording()),
    f"(GET|POST) /v1/recordings/{ID}(/.*)?": (200, recording(state="verified", latest_report=REPORT)),
}
PAGEREEL = {
    "list": ("list",),
    "list as JSON": ("list", "--json"),
    "show": ("show", ID),
    "watch": ("watch", ID),
    "stop": ("stop", ID),
    "look": ("look", ID),
    "timeline": ("timeline", ID),
    "events": ("events", "--json"),
    "actions": ("actions", "--json"),
    "messages": ("messages", "list", "--json"),
    "notices": ("notices", "list", "--json"),
    "completion": ("completion", "bash"),
    "ranges": ("ncs-ips", "--help"),
    "help": ("--help",),
}
EMULATOR = {"faults": ("faults", "list"), "emulator's help": ("--help",)}


def into_a_closed_pipe(module: str, *words: str, url: str = "") -> tuple[int, str]:
    """Exit status and stderr of a command whose output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return printing_into(writer, module, *words, url=url)


def onto_a_full_disk(module: str, *words: str, url: str = "") -> tuple[int, str]:
    """Exit status and stderr of a command whose output has no room."""
    return printing_into(os.open("/dev/full", os.O_WRONLY), module, *words, url=url)


def printing_into(writer: int, module: str, *words: str, url: str) -> tuple[int, str]:
    variables = {"PAGEREEL_URL": url, "PAGEREEL_TOKEN": "prl_a_token", "PAGEREEL_TOKEN_FILE": ""}
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *words],
            stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60, cwd=ROOT,
            env=BUFFERED | variables,
        )  # fmt: skip
    finally:
        os.close(writer)
    return done.returncode, done.stderr


@pytest.mark.parametrize("name", PAGEREEL)
def test_pagereel_ends_without_a_word(name: str) -> None:
    with serving(ANSWERS) as service:
        status, said = into_a_closed_pipe("pagereel", *PAGEREEL[name], url=service.url)
    assert said == ""
    assert status in ((1, 141) if "help" in " ".join(PAGEREEL[name]) else (141,))  # click's own printing of a help


@pytest.mark.parametrize("name", EMULATOR)
def test_the_emulator_ends_without_a_word(name: str) -> None:
    status, said = into_a_closed_pipe("emulator", *EMULATOR[name])
    assert said == ""
    assert status in (1, 141)


@pytest.mark.parametrize("name", PAGEREEL)
def test_pagereel_says_in_a_line_that_the_disk_is_full(name: str) -> None:
    with serving(ANSWERS) as service:
        done = onto_a_full_disk("pagereel", *PAGEREEL[name], url=service.url)
    assert done == (2, "Error: nothing can be written: No space left on device\n")


@pytest.mark.parametrize("name", EMULATOR)
def test_the_emulator_says_in_a_line_that_the_disk_is_full(name: str) -> None:
    assert onto_a_full_disk("emulator", *EMULATOR[name]) == (
        2,
        "Error: nothing can be written: No space left on device\n",
    )


def test_what_is_still_to_be_written_is_dropped_quietly() -> None:
    program = "from pagereel.interrupts import flush_quietly\nprint('late')\nflush_quietly()"
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-c", program]
    done = subprocess.run(
        words, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60, cwd=ROOT, env=BUFFERED
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
