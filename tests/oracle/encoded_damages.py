"""Whole slices encoded anew by FFmpeg: as noise, black, another size, fewer pictures or other sound.

By a foreign encoder (other parameter sets, counters of its own) they are damages. By the recording's own settings they
could be the page itself: those are counted apart.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.oracle.bases import FFMPEG, RECIPES, SAME_TIME, run
from tests.oracle.draft import Draft
from tests.oracle.watching import watched

Change = Callable[[Draft], None]
_FOREIGN = "profile=baseline:ref=2:keyint=25:bframes=0:cabac=0"
_FILTERS = {
    "noise": "drawbox=t=fill:c=gray,noise=alls=100:allf=t+u",
    "black": "drawbox=t=fill:c=black",
    "still": "loop=loop=-1:size=1",
    "size": "scale=iw/2:ih/2",
    "fewer": "fps=2",
}


def encoded(what: str, *, foreign: bool) -> Change:
    """Slices hold `what` in the place of their pictures (`sound`: of their sound)."""

    def change(draft: Draft) -> None:
        pts = watched(draft.number).pts
        for key in draft.inner_slices() if foreign else draft.some_slices():
            slot = next(slot for slot in draft.made.slots if slot.key == key)
            with tempfile.TemporaryDirectory() as folder:
                path, out = Path(folder) / "in.ts", Path(folder) / "out.ts"
                path.write_bytes(draft.objects[key])
                run(_command(draft, what, foreign, path, out, pts[key], slot.seconds))
                draft.write(key, out.read_bytes(), f"encoded anew as {what}, {foreign=}")

    return change


def _command(
    draft: Draft, what: str, foreign: bool, path: Path, out: Path, first_pts: float, seconds: float
) -> list[str | Path]:
    recipe = RECIPES[draft.number]
    source = f"testsrc2=s={recipe.width}x{recipe.height}:r={recipe.fps}:d={seconds}"
    pictures = f"[1:v]{_FILTERS.get(what, 'null')},trim=duration={seconds},setpts=PTS+{first_pts}/TB,format=yuv420p[v]"
    settings = _FOREIGN if foreign else recipe.x264.removeprefix("preset=ultrafast:")
    preset = "ultrafast" if "ultrafast" in recipe.x264 and not foreign else "veryfast"
    video = ["-c:v", "libx264", "-preset", preset, "-threads", "1", "-x264-params", settings]
    if what == "sound":
        other = f"sine=330:r={recipe.rate}:d={seconds},asetpts=PTS+{first_pts}/TB"
        inputs = ["-f", "lavfi", "-i", other, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-copyinkf"]
        codec = ["-c:a", "aac", "-ac", str(recipe.channels), "-b:a", f"{64 * recipe.channels}k"]
    else:
        inputs = ["-f", "lavfi", "-i", source, "-filter_complex", pictures, "-map", "[v]", "-map", "0:a"]
        codec = [*video, "-c:a", "copy"]
    return [*FFMPEG, "-copyts", "-i", path, *inputs, *codec, *SAME_TIME, out]
