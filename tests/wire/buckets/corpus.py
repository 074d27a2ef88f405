"""Recordings as Agora names them, for stores on the wire: names, playlists and slices that are no media."""

from datetime import UTC, datetime, timedelta

BEGIN = 1735689611.0


def utc17(at: float) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round(at * 1000))
    return moment.strftime("%Y%m%d%H%M%S") + f"{moment.microsecond // 1000:03d}"


def recording(
    sid: str, cname: str, *, slices: int = 4, seconds: float = 16.0, bak: int | None = None
) -> dict[str, bytes]:
    """Name and bytes of every file of one recorder, the playlist last."""
    stem = ("" if bak is None else f"bak{bak}_") + f"{sid}_{cname}"
    offset = 0 if bak is None else 10_000 * (bak + 1)
    names = [f"{stem}_{utc17(BEGIN + offset + number * seconds)}.ts" for number in range(slices)]
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{round(seconds)}"]
    for name in names:
        lines += [f"#EXTINF:{seconds:.6f}", name]
    text = "\n".join([*lines, "#EXT-X-ENDLIST", ""])
    return dict.fromkeys(names, b"G" * 188) | {f"{stem}.m3u8": text.encode()}
