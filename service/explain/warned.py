"""Advice on warnings, by the code of the finding. Pure."""

from collections.abc import Sequence
from typing import Final

CHECK_PAGE: Final = (
    "`pagereel-emulator check-page URL` opens the page as the recorder does and reports "
    "what is wrong, such as a video that waits for a click. It does not listen."
)

_PLAY: Final = "Play that interval. If it matters, report it to Agora with the sid."
_MP4: Final = "Use the slices, or create the MP4 again from them."
_PLAYLIST: Final = "Test it with your player; ffmpeg plays it."
_TIME: Final = "Find the interval in the timeline."

# Warnings whose cause is the page, which can be checked.
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
    "channels_unexpected": "Compare the sound with the requested `audio_profile`.",
    "codec_unexpected": "Check that your players support it.",
    "damaged": _TIME,
    "duration_wrong": "Expect imprecise seeking; the media itself is complete.",
    "ended_early": _TIME,
    "endlist_absent": "Nothing: the playlist names every slice, and none arrived later.",
    "failover": "Nothing: a failover of Agora's recorder can cause one gap of up to 90 s.",
    "gap": _TIME,
    "late_start": "Request recordings earlier with `start_at`.",
    "media_doubled": "When you join the parts, prefer the later one.",
    "media_lost": _PLAY,
    "mp4_absent_in_run": "Create the MP4 of that part from its slices.",
    "mp4_broken": _MP4,
    "mp4_contradicts": "Play the slices and the MP4 at that time, and compare them.",
    "mp4_damaged": _MP4,
    "mp4_differs": "Nothing: players support this form.",
    "mp4_duration": _MP4,
    "mp4_track_absent": _MP4,
    "nothing_wanted": "Nothing, if you meant to pause all of it. Otherwise play the files: they hold what was recorded "
    "outside the pause.",
    "object_changed": "Compare the object with your copy, and check who can write to the bucket.",
    "packets_lost": _PLAY,
    "picture_black": "Check the contact sheet: the page was black.",
    "picture_blank": "Check the contact sheet: the page was blank.",
    "picture_damaged": _PLAY,
    "picture_error_page": "Open the page from outside your network: the browser showed an error page.",
    "picture_undecodable": _PLAY,
    "picture_white": "Check the contact sheet: the page was white, as before it has loaded.",
    "playlist_duration_absent": _PLAYLIST,
    "playlist_duration_unreadable": _PLAYLIST,
    "playlist_end_early": _PLAYLIST,
    "playlist_form": _PLAYLIST,
    "playlist_tag_repeated": _PLAYLIST,
    "playlist_target_duration": _PLAYLIST,
    "playlist_version": _PLAYLIST,
    "restart": _TIME,
    "size_changed": "Check the contact sheet: the size of the picture changes.",
    "size_unexpected": "Compare the size of the picture with the requested size.",
    "slice_broken": _PLAY,
    "slice_empty": "Play the other slices, and report it to Agora with the sid.",
    "slice_tables_absent": "Nothing if you play the playlist; the slice alone may not play.",
    "slice_unlisted": "Play that slice separately: the playlist does not name it.",
    "small_gaps": _TIME,
    "sound_silent": "Listen to it: the page played no sound, or the browser blocked sound without a click. For a page "
    "that makes no sound, start the recording with `sound` false (`pagereel record --no-sound`).",
    "sound_undecodable": _PLAY,
    "timestamps_jump": "If your player stalls there, join the slices with an EXT-X-DISCONTINUITY tag.",
    "video_absent": _PLAY,
}
"""The advice for each finding that may be a warning."""

_ELSE: Final = "See docs/verification.md: it explains each finding and what to do."


def advice_of(codes: Sequence[str]) -> str:
    """Return the advice for these warnings in their order, each advice once."""
    each = dict.fromkeys(ADVICE.get(code, _ELSE) for code in codes)
    return " ".join((*each, *([CHECK_PAGE] if ABOUT_THE_PAGE & set(codes) else [])))
