"""Walks the Dockerfile's stages for the service in an empty plain directory, and runs what they made.

For a machine without a container engine: `COPY` and `RUN` are done as they stand there, with the image's absolute paths
below that directory. The stage `runtime` (Debian's image, users) is left out. It shows that the lock files are enough
and that the result serves; it does not show that an image can be built.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
STAGES: Final = ("build", "install-service")
IMAGE_PATHS: Final = ("/opt/pagereel",)
READY_SECONDS: Final = 30
# The image keeps no cache of downloads; here it saves them.
LEFT_OUT: Final = frozenset({"PIP_NO_CACHE_DIR"})


class StepError(Exception):
    """A step did not do what the image needs it to."""


def main() -> None:
    """Do it all, and say what was done."""
    began = time.monotonic()
    stages = read_stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="pagereel-image-") as folder:
        root = Path(folder)
        try:
            for name in STAGES:
                perform(stages[name], root)
            _serve(root, stages["service"])
        except StepError as error:
            sys.exit(f"image steps: {error}")
    _say(
        f"the image's steps work from the lock files in an empty directory, and what they made serves "
        f"({time.monotonic() - began:.0f} s). No container engine was used: no image was built."
    )


def read_stages(dockerfile: str) -> dict[str, list[tuple[str, str]]]:
    """Instruction and rest of each line, by stage."""
    lines = re.sub(r"^#.*\n", "", dockerfile, flags=re.MULTILINE)
    stages: dict[str, list[tuple[str, str]]] = {}
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages[rest.split(" AS ")[1]] = []
        elif line:
            list(stages.values())[-1].append((word, rest))
    return stages


def perform(stage: list[tuple[str, str]], root: Path) -> None:
    """Each instruction of a stage, in the directory that its image would have as its work directory."""
    work = root / "build"
    work.mkdir(exist_ok=True)
    variables = dict(_variables(stage))
    for word, rest in stage:
        if word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                _copy(ROOT / source, work / target)
        elif word == "RUN":
            _say(f"RUN {rest[:110]}")
            command = rest
            for path in IMAGE_PATHS:
                command = command.replace(path, str(root / path[1:]))
            _run(command, work, variables)


def _variables(stage: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for word, rest in stage:
        if word == "ENV":
            for pair in shlex.split(rest):
                name, _, value = pair.partition("=")
                if name not in LEFT_OUT:
                    yield name, value


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target / source.name if target.is_dir() else target)


def _run(command: str, work: Path, variables: dict[str, str]) -> None:
    done = subprocess.run(
        ["sh", "-ec", command], cwd=work, env=_environment(variables), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StepError(f"{command}\n{done.stdout[-1500:]}{done.stderr[-1500:]}")


def _environment(more: dict[str, str]) -> dict[str, str]:
    """Nothing of this tree: no variable of Python's or Pagereel's, and only the interpreter's own folder in front."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PAGEREEL_", "PYTHON"))}
    return {**own, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **more}


def _serve(root: Path, stage: list[tuple[str, str]]) -> None:
    """Entry point, health check and end of the image, with the example's settings on a file of its own."""
    words = dict(stage)
    installed = root / IMAGE_PATHS[0][1:]
    before = sorted(installed.rglob("*"))
    state = root / "var/lib/pagereel"
    state.mkdir(parents=True)
    callbacks, api = _free_ports()
    variables = _environment(
        {
            "PATH": f"{installed}/bin:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PAGEREEL_SETTINGS": str(_settings(root)),
            "PAGEREEL_DATABASE__URL": f"sqlite:///{state}/pagereel.db",
            "PAGEREEL_CALLBACKS__HOST": "127.0.0.1",
            "PAGEREEL_CALLBACKS__PORT": str(callbacks),
            "PAGEREEL_API__PORT": str(api),
        }
    )
    command = [*json.loads(words["ENTRYPOINT"]), *json.loads(words["CMD"])]
    health = json.loads(words["HEALTHCHECK"].partition("CMD ")[2])
    _say(" ".join(command))
    with (
        (root / "serve.log").open("wb") as log,
        subprocess.Popen(command, cwd=state, env=variables, stdout=log, stderr=log) as service,
    ):
        try:
            _until_healthy(health, service, variables, root / "serve.log")
        finally:
            service.send_signal(signal.SIGTERM)
            status = service.wait(READY_SECONDS)
    if status:
        raise StepError(f"it ended with {status}: {(root / 'serve.log').read_text()[-1500:]}")
    if sorted(installed.rglob("*")) != before:
        raise StepError("it wrote into the folder it is installed in, which may be read-only")


def _settings(root: Path) -> Path:
    """The example with something in place of each placeholder."""
    file = root / "pagereel.toml"
    file.write_text((ROOT / "pagereel.example.toml").read_text().replace("put-yours-here", "filled-in"))
    return file


def _until_healthy(health: list[str], service: "subprocess.Popen[bytes]", variables: dict[str, str], log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while subprocess.run(health, env=variables, capture_output=True, check=False).returncode:
        if service.poll() is not None or time.monotonic() > until:
            raise StepError(f"the health check does not pass: {log.read_text()[-1500:]}")
        time.sleep(0.2)
    _say("the health check passes")


def _free_ports() -> tuple[int, int]:
    """Two different ports that are free: both are held while they are chosen."""
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return int(first.getsockname()[1]), int(second.getsockname()[1])


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
