"""The main job from the request to the proof, and what happens to the proof when the bucket changes."""

import asyncio
import time
from pathlib import Path

import orjson
from click.testing import CliRunner, Result
from house import House, Living, instant, prefix_of
from media import decoded_seconds, probed_seconds, read_piece, read_playlist
from yarl import URL

from pagereel.cli import main
from service.dsse import SigningKey, public_text
from tests.authority import Authority, listening


async def test_a_paused_and_resumed_recording_ends_verified_and_its_media_are_as_long_as_it_ran(
    build: Living, database_url: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    async with (
        listening(authority.stamp) as url,
        build(
            database_url=database_url,
            settings={"signing": {"timestamp_url": url, "timestamp_ca": str(authority.ca), "timestamp_seconds": 30}},
        ) as house,
    ):
        recording = await house.start(labels={"course": "physics"}, level="content")
        await house.slices(recording, 3)
        pausing, paused = await _timed(house, recording, "pause", confirmed=True)
        await house.billed(recording, paused - await _began(house, recording) + 3)
        resuming, resumed = await _timed(house, recording, "resume", confirmed=False)
        await house.billed(recording, resumed - await _began(house, recording) + 3)
        await house.do(recording, "stop")
        shown = await house.until(recording, "verified")

        assert (shown["end_reason"], shown["blame"], shown["verdict"]) == ("stopped", "caller", "verified")
        assert shown["level"] == "content"
        assert shown["labels"] == {"course": "physics"}
        assert shown["warnings"] == []
        assert [attempt["state"] for attempt in shown["attempts"]] == ["ended"]
        assert shown["coverage"]["unexplained_seconds"] == 0
        assert shown["coverage"]["share"] > 0.8
        (pause,) = shown["pauses"]
        assert pausing - 0.1 <= instant(pause["from_at"]) <= paused + 0.1
        assert resuming - 0.1 <= instant(pause["to_at"]) <= resumed + 0.1

        (task,) = await house.tasks(recording)
        ran = instant(task["ended_at"]) - instant(task["recording_started_at"])
        least, most = ran - (resumed - pausing), ran - (resuming - paused)
        keys = await house.store.keys(prefix_of(recording))
        await _check_files(house, recording, keys)
        for picture in ("poster", "contact-sheet"):
            answer = await house.call("GET", f"/v1/recordings/{recording}/{picture}", expect=200)
            assert answer.content[:3] == b"\xff\xd8\xff"
        contents = {key: await house.store.read(key) for key in keys}
        pieces = [read_piece(key, content) for key, content in contents.items() if key.endswith(".ts")]
        (playlist,) = [read_playlist(content) for key, content in contents.items() if key.endswith(".m3u8")]
        (mp4,) = [content for key, content in contents.items() if key.endswith(".mp4")]
        lengths = {
            "slices": sum(piece.seconds for piece in pieces),
            "playlist": sum(segment.duration for segment in playlist.segments),
            "mp4": decoded_seconds(mp4),
            "ffprobe of the mp4": await asyncio.to_thread(probed_seconds, mp4, tmp_path / "probe.mp4"),
            "coverage and allowance": shown["coverage"]["covered_seconds"] + 1,
        }
        for name, seconds in lengths.items():
            assert seconds is None or least - 1 <= seconds <= most + 1, (name, seconds, least, most)
        assert playlist.is_endlist
        assert sorted(segment.uri for segment in playlist.segments) == sorted(
            piece.key.rpartition("/")[2] for piece in pieces
        )
        assert pieces, "there are slices"
        seen = shown["files"]
        assert (seen["slices"], seen["bytes"]) == (len(pieces), sum(map(len, contents.values())))
        for piece in pieces:
            before, after = piece.starts_at + piece.seconds <= paused + 0.5, piece.starts_at >= resuming - 0.5
            assert before or after, f"{piece} lies in the pause from {paused} to {resuming}"

        kinds = [entry["kind"] for entry in await house.timeline(recording)]
        wanted = ["requested", "attempt_planned", "started", "pause_requested", "paused", "resume_requested", "resumed"]
        wanted += ["stop_requested", "judged"]
        assert [kind for kind in kinds if kind in wanted and kind != "judged"] == wanted[:-1]
        assert "judged" in kinds
        numbers = [entry["number"] for entry in await house.timeline(recording)]
        assert numbers == list(range(1, len(numbers) + 1))
        await _check_playlist(house, recording, contents)
        await _check_manifest(house, recording, contents, tmp_path, authority.ca)


async def _began(house: House, recording: str) -> float:
    (task,) = await house.tasks(recording)
    return instant(task["recording_started_at"])


async def _timed(house: House, recording: str, what: str, *, confirmed: bool) -> tuple[float, float]:
    """When the call was made and when it was answered; in between Agora did it."""
    before = time.time()
    answer = await house.do(recording, what)
    assert answer.body["paused"] == {"wished": confirmed, "confirmed": confirmed}
    return before, time.time()


async def _check_files(house: House, recording: str, keys: list[str]) -> None:
    """The files table says what lies in the bucket, and its links open."""
    files = await house.files(recording, links="true")
    assert [file["key"] for file in files] == sorted(keys)
    assert {file["kind"] for file in files} == {"playlist", "slice", "mp4"}
    assert all(file["listed"] and not file["missing"] and file["size_bytes"] for file in files)
    slices = [file for file in files if file["kind"] == "slice"]
    assert all(file["in_playlist"] and file["duration_seconds"] for file in slices)
    async with house.http.get(next(file["link"] for file in files if file["kind"] == "mp4")) as response:
        assert response.status == 200
        assert b"ftyp" in (await response.read())[:16]


async def _check_playlist(house: House, recording: str, contents: dict[str, bytes]) -> None:
    """The playlist over all parts opens every slice, to whoever has it and without a token."""
    text = (await house.call("GET", f"/v1/recordings/{recording}/playlist.m3u8", expect=200)).content
    segments = read_playlist(text).segments
    assert [segment.discontinuity for segment in segments[1:]].count(True) == 1, "the pause, and nothing else"
    played = []
    for segment in segments:
        async with house.http.get(URL(str(segment.uri), encoded=True)) as response:
            played.append(await response.read())
    assert sorted(played) == sorted(content for key, content in contents.items() if key.endswith(".ts"))


async def _check_manifest(
    house: House, recording: str, contents: dict[str, bytes], folder: Path, authority: Path
) -> None:
    """SQLite has a key of its own; with PostgreSQL the settings must give one. The check needs nothing but files."""
    if house.database_url.startswith("postgresql"):
        refused = await house.call("GET", f"/v1/recordings/{recording}/manifest", expect=409)
        assert "signing_not_configured" in str(refused.body)
        return
    envelope = (await house.call("GET", f"/v1/recordings/{recording}/manifest", expect=200)).content
    key = SigningKey(Path(house.database_url.removeprefix("sqlite:///") + ".signing.key").read_text().strip())
    file, public = folder / "manifest.json", folder / "public.pem"
    file.write_bytes(envelope)
    public.write_text(public_text(key.public))
    checked = await _manifest_check(file, public, "--json")
    assert checked.exit_code == 0, checked.output
    told = orjson.loads(checked.stdout)["predicate"]
    assert (told["recording"], told["state"], told["missing"]) == (recording, "verified", [])
    assert {one["object"]: one["size_bytes"] for one in told["objects"]} == {
        key: len(content) for key, content in contents.items()
    }
    assert all(one["starts_at"] and one["duration_seconds"] for one in told["objects"] if one["kind"] == "slice")
    assert f"{recording} (" in (await _manifest_check(file, public)).stdout
    assert (await _manifest_check(file, public, "--timestamp-ca", str(authority))).exit_code == 1, "it has no stamp"
    stamped = await house.call("GET", f"/v1/recordings/{recording}/manifest?timestamp=true", expect=200)
    file.write_bytes(stamped.content)
    checked = await _manifest_check(file, public, "--timestamp-ca", str(authority))
    assert (checked.exit_code, "by CN=Stamps" in checked.stdout) == (0, True), checked.output
    file.write_bytes(envelope.replace(b'"payload":"ey', b'"payload":"eX'))
    assert (await _manifest_check(file, public)).exit_code == 1


async def _manifest_check(file: Path, public: Path, *more: str) -> Result:
    words = ["manifest", "check", str(file), "--key", str(public), *more]
    return await asyncio.to_thread(CliRunner().invoke, main, words)


async def test_a_deleted_slice_makes_incomplete_and_names_it_and_its_return_heals(house: House) -> None:
    recording = await house.start()
    await house.slices(recording, 3)
    victim, content = await house.take_slice(recording)
    await house.do(recording, "stop")
    shown = await house.until(recording, "incomplete")
    (finding,) = [one for one in shown["latest_report"]["findings"] if one["severity"] == "error"]
    assert (finding["code"], finding["object"]) == ("slice_missing", victim)
    (file,) = [file for file in await house.files(recording) if file["missing"]]
    assert file["key"] == victim
    assert file["in_playlist"]

    await house.store.put(victim, content)
    shown = await house.until(recording, "verified")
    assert shown["latest_report"]["findings_count"] == 0
    assert not any(file["missing"] for file in await house.files(recording))
