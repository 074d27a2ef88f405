"""Changes that cost a viewer nothing: other muxers, other names, more tags, strangers."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.oracle.bases import CNAME, FFMPEG, PREFIX, SAME_TIME, SID, run
from tests.oracle.draft import PACKET, Draft
from tests.oracle.mp4_damages import boxes
from tests.oracle.ts_damages import packets_of, pids_of
from tests.oracle.watching import Places

Change = Callable[[Draft], None]


def renamed(*, sid: str = SID, cname: str = CNAME, prefix: str = PREFIX) -> Change:
    """The same recording of another task, channel or folder."""

    def change(draft: Draft) -> None:
        def name(key: str) -> str:
            return key.replace(PREFIX, prefix).replace(f"{SID}_{CNAME}", f"{sid}_{cname}")

        text = draft.objects[draft.made.playlist].replace(f"{SID}_{CNAME}".encode(), f"{sid}_{cname}".encode())
        draft.objects[draft.made.playlist] = text
        draft.objects = {name(key): content for key, content in draft.objects.items()}
        slices = {key: name(key) for key in draft.made.slices}
        mp4 = None if draft.made.mp4 is None else name(draft.made.mp4)
        draft.places = Places(slices, name(draft.made.playlist), mp4)
        draft.expected = draft.made.expected(prefix, sid, cname)
        draft.notes.append(f"renamed to {prefix}{sid}_{cname}")

    return change


def text(note: str, edit: Callable[[str], str]) -> Change:
    """The playlist in other words."""

    def change(draft: Draft) -> None:
        content = draft.objects[draft.made.playlist].decode()
        draft.write(draft.made.playlist, edit(content).encode(), note)

    return change


def strangers(draft: Draft) -> None:
    """Objects of somebody else lie in the folder."""
    for name in ("notes.txt", "a.ts", "a.m3u8", "a.mp4", f"{'f' * 32}_other_20260301100000000.ts", ".hidden/x.ts"):
        draft.objects[PREFIX + name] = draft.dice.randbytes(draft.dice.randint(0, 2000))
    draft.notes.append("strangers beside")


def remuxed(*options: str) -> Change:
    """Every slice is muxed anew by FFmpeg, with other options; time stamps stay."""

    def change(draft: Draft) -> None:
        for key in draft.made.slices:
            with tempfile.TemporaryDirectory() as folder:
                path, out = Path(folder) / "in.ts", Path(folder) / "out.ts"
                path.write_bytes(draft.objects[key])
                copied: list[str | Path] = ["-copyts", "-i", path, "-map", "0", "-c", "copy", "-copyinkf", *options]
                run([*FFMPEG, *copied, *SAME_TIME, out])
                draft.objects[key] = out.read_bytes()
        draft.notes.append(f"slices muxed anew with {options}")

    return change


def null_packets(draft: Draft) -> None:
    """Packets that carry nothing stand between the others."""
    null = np.frombuffer(b"\x47\x1f\xff\x10" + b"\xff" * (PACKET - 4), np.uint8)
    for key in draft.made.slices:
        packets = packets_of(draft.objects[key])
        places = sorted(draft.dice.sample(range(2, len(packets)), min(50, len(packets) // 3)))
        draft.objects[key] = np.insert(packets, places, null, axis=0).tobytes()
    draft.notes.append("null packets inserted")


def repeated_tables(draft: Draft) -> None:
    """PAT and PMT come more often; their counters run on through all slices."""
    count: dict[int, int] = {}
    for key in draft.made.slices:
        packets = packets_of(draft.objects[key])
        pids = pids_of(packets)
        pat = packets[pids == 0][:1]
        table_pid = int.from_bytes(pat[0, 15:17].tobytes(), "big") & 0x1FFF
        pair = np.concatenate([pat, packets[pids == table_pid][:1]])
        places = sorted(draft.dice.sample(range(2, len(packets)), 20))
        packets = np.insert(packets, np.repeat(places, 2), np.tile(pair, (20, 1)), axis=0)
        for pid in (0, table_pid):
            for number in np.flatnonzero(pids_of(packets) == pid):
                count[pid] = (count.get(pid, 15) + 1) % 16
                packets[number, 3] = (packets[number, 3] & 0xF0) | count[pid]
        draft.objects[key] = packets.tobytes()
    draft.notes.append("PAT and PMT repeated")


def mp4_box(kind: bytes, *, first: bool) -> Change:
    """A box of no meaning at the end, or (where no offset depends on it) after `ftyp`."""

    def change(draft: Draft) -> None:
        content = draft.objects[draft.mp4]
        more = (8 + 500).to_bytes(4, "big") + kind + bytes(500)
        fragmented = any(box.kind == b"moof" for box in boxes(content))
        at = next(boxes(content)).end if first and fragmented else len(content)
        draft.write(draft.mp4, content[:at] + more + content[at:], f"{kind.decode()} at {at}")

    return change


def mp4_remuxed(*options: str) -> Change:
    """The MP4 is muxed anew by FFmpeg."""

    def change(draft: Draft) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path, out = Path(folder) / "in.mp4", Path(folder) / "out.mp4"
            path.write_bytes(draft.objects[draft.mp4])
            run([*FFMPEG, "-i", path, "-map", "0", "-c", "copy", *options, out])
            draft.write(draft.mp4, out.read_bytes(), f"muxed anew with {options}")

    return change


def smaller_allowance(seconds: float) -> Change:
    """Nothing is changed, and the caller allows less to be missing."""

    def change(draft: Draft) -> None:
        policy = replace(draft.expected.policy, max_missing_seconds=seconds)
        draft.expected = replace(draft.expected, policy=policy)
        draft.notes.append(f"{seconds} s may be missing")

    return change
