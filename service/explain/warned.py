"""What a warning means for somebody who has the recording: what to do, by the code of the finding. Pure."""

from collections.abc import Sequence
from typing import Final

CHECK_PAGE: Final = "`pagereel-emulator check-page URL` shows what the recorder sees and hears of the page."

_PLAY: Final = "Play that stretch; report it to Agora with the sid if it matters."
_MP4: Final = "Use the slices, or make the MP4 again from them."
_PLAYLIST: Final = "Try it with your player; ffmpeg plays it."
_TIME: Final = "See the timeline for where it is; it is within the allowance."

# The page itself is the cause, and can be tried.
ABOUT_THE_PAGE: Final = frozenset(
    {
        "audio_absent",
        "picture_black",
        "picture_blank",
        "picture_error_page",
        "picture_white",
        "size_changed",
        "size_unexpected",
        "sound_silent",
    }
)

ADVICE: Final = {
    "audio_absent": "Check that the page plays sound without a click.",
    "channels_unexpected": "Compare the sound with the `audio_profile` that was asked for.",
    "codec_unexpected": "Check that your players play it.",
    "damaged": _TIME,
    "duration_wrong": "Expect imprecise seeking; the media itself is whole.",
    "ended_early": _TIME,
    "endlist_absent": "Nothing: every slice is named, and none came later.",
    "failover": "Nothing: one hole of up to 90 s is what a failover of Agora's costs.",
    "gap": _TIME,
    "late_start": "Ask for recordings earlier, with `start_at`.",
    "media_doubled": "When you join the parts, prefer the later one.",
    "media_lost": _PLAY,
    "mp4_absent_in_run": "Make the MP4 of that part from its slices.",
    "mp4_broken": _MP4,
    "mp4_contradicts": "Play slices and MP4 at that time and compare them.",
    "mp4_damaged": _MP4,
    "mp4_differs": "Nothing: players read this form.",
    "mp4_duration": _MP4,
    "mp4_track_absent": _MP4,
    "object_changed": "Compare the object with your copy, and see who may write to the bucket.",
    "packets_lost": _PLAY,
    "picture_black": "Look at the contact sheet: the page showed black.",
    "picture_blank": "Look at the contact sheet: the page showed nothing but its background.",
    "picture_damaged": _PLAY,
    "picture_error_page": "Open the page from outside your network: the browser showed an error page.",
    "picture_undecodable": _PLAY,
    "picture_white": "Look at the contact sheet: the page showed white, as one does that has not loaded.",
    "playlist_duration_absent": _PLAYLIST,
    "playlist_duration_unreadable": _PLAYLIST,
    "playlist_end_early": _PLAYLIST,
    "playlist_form": _PLAYLIST,
    "playlist_tag_repeated": _PLAYLIST,
    "playlist_target_duration": _PLAYLIST,
    "playlist_version": _PLAYLIST,
    "restart": _TIME,
    "size_changed": "Look at the contact sheet: the picture changes its size.",
    "size_unexpected": "Compare the picture's size with what was asked for.",
    "slice_broken": _PLAY,
    "slice_empty": "Play the other slices; report it to Agora with the sid.",
    "slice_tables_absent": "Nothing, if you play the playlist; that slice alone may not play.",
    "slice_unlisted": "Play that slice by itself: the playlist does not name it.",
    "small_gaps": _TIME,
    "sound_silent": "Listen to it: the page played no sound, or was not allowed to without a click.",
    "sound_undecodable": _PLAY,
    "timestamps_jump": "Join the slices with a mark (DISCONTINUITY) if your player stalls there.",
    "video_absent": _PLAY,
}
"""What to do about each finding that may be a warning."""

_ELSE: Final = "docs/verification.md says for each finding what it means and what to do."


def advice_of(codes: Sequence[str]) -> str:
    """What to do about these warnings, in their order, each advice once."""
    each = dict.fromkeys(ADVICE.get(code, _ELSE) for code in codes)
    return " ".join((*each, *([CHECK_PAGE] if ABOUT_THE_PAGE & set(codes) else [])))
