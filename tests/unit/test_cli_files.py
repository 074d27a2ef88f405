"""`pagereel files --download`: what cannot be had is told once for each reason, with the store's host."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from cli_rig import ID, serving

FULL = os.strerror(errno.ENOSPC)
NAMES = [f"{number:03}.ts" for number in range(30)]


def files(link: str) -> dict[str, Any]:
    """An answer with many slices, each with a link below `link`, which has a signature."""
    fact = {"kind": "slice", "size_bytes": 188, "duration_seconds": 15.0, "announced": True, "listed": True}
    seen = {"in_playlist": True, "missing": False}
    items = [{"key": f"p/{name}", **fact, **seen, "link": f"{link}/{name}?Signature=CANARY"} for name in NAMES]
    return {f"GET /v1/recordings/{ID}/files": (200, {"items": items, "next": None})}


def test_a_store_that_is_away_is_one_line_with_host_and_cause(tmp_path: Path, unused_tcp_port: int) -> None:
    host = f"127.0.0.1:{unused_tcp_port}"
    with serving(files(f"http://{host}")) as service:
        done = service.typed("files", ID, "--download", str(tmp_path))
    assert done.exit_code == 1
    reason = f"cannot connect to {host}: Connection refused"
    assert done.stderr == f"pagereel: 30 files were not downloaded: {reason}\n"
    assert done.stdout == f"0 files are in {tmp_path}\n"


def test_a_store_that_refuses_is_one_line_and_a_single_file_is_named(tmp_path: Path) -> None:
    with serving({}) as store, serving(files(store.url)) as service:
        store.answers["GET /(?!000).*"] = (403, {})
        done = service.typed("files", ID, "--download", str(tmp_path))
    host = store.url.removeprefix("http://")
    assert done.exit_code == 1
    assert sorted(done.stderr.splitlines()) == [
        f"pagereel: 000.ts: {host} answered HTTP 404",
        f"pagereel: 29 files were not downloaded: {host} answered HTTP 403",
    ]


@pytest.mark.parametrize(("kind", "size", "fine"), [("playlist", 1, 1), ("playlist", 999, 0), ("slice", 1, 0)])
def test_a_playlist_that_has_grown_meanwhile_is_downloaded(kind: str, size: int, fine: int, tmp_path: Path) -> None:
    with serving({}) as store:
        store.answers["GET /.*"] = (200, {"long": "enough"})
        answers = files(store.url)
        (_, page) = answers[f"GET /v1/recordings/{ID}/files"]
        page["items"] = [{**page["items"][0], "kind": kind, "size_bytes": size}]
        with serving(answers) as service:
            done = service.typed("files", ID, "--download", str(tmp_path))
    assert done.exit_code == 1 - fine
    assert len(list(tmp_path.iterdir())) == fine, "nothing half is left"
    assert ("received only" in done.stderr) is not bool(fine)


def test_a_full_disk_is_one_line_and_no_verdict_and_leaves_nothing_half(tmp_path: Path) -> None:
    for name in NAMES[:4]:  # as many as are under way at once; the others are not begun
        (tmp_path / f"{name}.part").symlink_to("/dev/full")
    with serving({"GET /.*": (200, {})}) as store, serving(files(store.url)) as service:
        done = service.typed("files", ID, "--download", str(tmp_path))
    assert done.stderr == f"pagereel: 30 files were not downloaded: {tmp_path} cannot be written ({FULL})\n"
    assert (done.exit_code, done.stdout) == (2, f"0 files are in {tmp_path}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_by_a_directory_stops_no_other_file(tmp_path: Path) -> None:
    (tmp_path / NAMES[0]).mkdir()
    with serving({"GET /.*": (200, {"a": "b" * 179})}) as store, serving(files(store.url)) as service:
        done = service.typed("files", ID, "--download", str(tmp_path))
    assert done.stderr == f"pagereel: {NAMES[0]}: {tmp_path} cannot be written (Is a directory)\n"
    assert (done.exit_code, done.stdout) == (2, f"29 files are in {tmp_path}\n")
    assert sorted(one.name for one in tmp_path.iterdir()) == NAMES


@pytest.mark.parametrize("link", ["http://user:CANARY@nowhere.invalid", "http://[::1", "nonsense"])
def test_an_odd_link_is_no_traceback_and_is_not_repeated(link: str, tmp_path: Path) -> None:
    with serving(files(link)) as service:
        done = service.typed("files", ID, "--download", str(tmp_path))
    assert done.exit_code == 1
    assert "CANARY" not in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    "words",
    [("files", ID, "--download"), ("pictures", ID, "--output"), ("demo", "--keep")],
    ids=lambda words: words[0],
)
def test_a_folder_that_cannot_be_written_is_one_line(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "inside"
    pictures = {f"GET /v1/recordings/{ID}/(poster|contact-sheet)": (200, "")}
    with serving(files("http://nowhere.invalid") | pictures) as service:
        done = service.typed(*words, str(folder))
    assert (done.exit_code, done.stderr) == (2, f"pagereel: {folder} cannot be written (Not a directory)\n")
