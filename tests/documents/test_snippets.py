"""Every shell and Python block of README and the guides is run, page by page and from top to bottom, as a reader would.

One sandbox serves all pages. What cannot be run here says why, above the block.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from snippets import PAGES, ROOT, RUN, Block, blocks_of, runnable

from tests.ports import free_port

KINDS = {*RUN, "text", "toml", "json", "promql", "nginx", "yaml"}
GUIDES = [page for page in PAGES if runnable(page)]
RUN_SECONDS = 240
READY_SECONDS = 60
CONCLUDED = "sum by (state) (pagereel_recordings_concluded_total)"
# What a reader has by then. Numbers are there after the next scrape, not at once.
FIRST = {
    "pagereel.toml backup": "pagereel --config pagereel.toml migrate\n",
    "promtool": f"""until promtool query instant "$PROMETHEUS_URL" '{CONCLUDED}' | grep -q verified; do sleep 0.3; done
""",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_what_it_is_and_what_is_not_run_says_why(page: Path) -> None:
    for block in blocks_of(page):
        assert block.kind in KINDS, block.place
        if block.kind in RUN and block.reason is not None:
            assert len(block.reason) > 10, block.place
    assert page.read_text(encoding="utf-8").count("<!-- not run") == sum(
        block.reason is not None for block in blocks_of(page)
    )


def test_the_guides_are_found() -> None:
    assert {"getting-started.md", "api-guide.md", "migration.md", "messages.md", "emulator.md"} <= {
        page.name for page in GUIDES
    }


@contextmanager
def running(command: list[str], log: Path, cwd: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, cwd=cwd, start_new_session=True, env=_environment()
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


# What a reader has of pytest's plugins; the dozen of this house take two seconds to import, at each run.
PLUGINS = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "pagereel_client.pytest_plugin,pytest_asyncio.plugin",
}


def _environment(**more: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("PAGEREEL_")}
    return {**own, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NO_COLOR": "1", **more}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables of a reader beside whom `make sandbox` and a Prometheus run."""
    if shutil.which("prometheus") is None:
        pytest.skip("needs the Debian package prometheus")
    root = tmp_path_factory.mktemp("house")
    words = ["sandbox", "--port", "0", "--json", "--token-file", str(root / "token")]
    with running([sys.executable, "-m", "pagereel", *words], root / "sandbox.log", ROOT) as sandbox:
        assert sandbox.stdout is not None
        said = json.loads(sandbox.stdout.readline() or "null")
        assert said, (root / "sandbox.log").read_text()
        with prometheus(root, said["api"]) as prometheus_url:
            yield {
                "PAGEREEL_URL": said["api"],
                "PAGEREEL_TOKEN": said["token"],
                "PAGEREEL_TOKEN_FILE": str(root / "token"),
                "EMULATOR_URL": said["emulator"],
                "PROMETHEUS_URL": prometheus_url,
            }


@contextmanager
def prometheus(root: Path, api: str) -> Iterator[str]:
    """A real one with the settings of deploy/, scraping the sandbox every second."""
    shutil.copytree(ROOT / "deploy/prometheus", root / "prometheus")
    settings = root / "prometheus/prometheus.yml"
    text = settings.read_text().replace("127.0.0.1:8080", api.removeprefix("http://"))
    settings.write_text(text.replace("scrape_interval: 15s", "scrape_interval: 1s"))
    port = free_port()
    address = f"--web.listen-address=127.0.0.1:{port}"
    words = [f"--config.file={settings}", f"--storage.tsdb.path={root}/tsdb", address]
    with running(["prometheus", *words], root / "prometheus.log", root):
        url, until = f"http://127.0.0.1:{port}", time.monotonic() + READY_SECONDS
        while not _answers(f"{url}/-/ready"):
            assert time.monotonic() < until, (root / "prometheus.log").read_text()
            time.sleep(0.1)
        yield url


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except (URLError, ConnectionError):
        return False


@pytest.mark.proof
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_does_what_it_says(page: Path, house: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    (tmp_path / "pagereel.toml").write_text(filled_example())
    # Nothing that a page does not name: its tests run in a fresh environment as they are written.
    (tmp_path / "pyproject.toml").write_text(pytest_settings(page))
    script = "set -euo pipefail\n" + "".join(_step(block, tmp_path) for block in runnable(page))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=_environment(**house, **PLUGINS, PYTEST_ADDOPTS="-W error"),
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "Warning" not in done.stdout + done.stderr  # one at the start of pytest is no error


def pytest_settings(page: Path) -> str:
    """What a page says that belongs into `pyproject.toml`."""
    return "".join(block.text for block in blocks_of(page) if block.kind == "toml" and "[tool.pytest" in block.text)


def filled_example() -> str:
    """The example with something in place of each placeholder."""
    return (ROOT / "pagereel.example.toml").read_text().replace("put-yours-here", "filled-in")


def _step(block: Block, folder: Path) -> str:
    """The block as a part of the page's one script: what a block sets, those below it have."""
    said = f"echo '--- {block.place}' >&2\n"
    if block.kind == "sh":
        return said + "".join(text for word, text in FIRST.items() if word in block.text) + block.text
    file = folder / f"test_line_{block.line}.py"
    file.write_text(block.text)
    return f"{said}python {'-m pytest -q ' if block.how == 'test' else ''}{file.name}\n"
