"""The finding codes with their severity and effect, and the collector that limits the size of reports."""

from dataclasses import dataclass
from enum import StrEnum

from service.report import Finding, Interval, Severity

Evidence = dict[str, str | int | float | bool | None]

_KEPT = 10
RULES_VERSION = 5
"""The version of the verification rules. Increase it with every change that can produce another verdict or other
findings for the same bytes. Every report contains it."""


class Effect(StrEnum):
    """The effect of a finding on the verdict: none, `incomplete` (a later upload may fix it), `defective` (permanent,
    and only if the object is final), `defective` by the time account, or no verdict at all."""

    NONE = "none"
    AWAITS = "awaits"
    UNSOUND = "unsound"
    TIME = "time"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class Rule:
    """The severity and effect of a finding code. A finding may have a lower severity than its rule, but never a higher
    one."""

    severity: Severity
    effect: Effect


_AWAITS = Rule(Severity.ERROR, Effect.AWAITS)
_UNSOUND = Rule(Severity.ERROR, Effect.UNSOUND)
_TIME = Rule(Severity.ERROR, Effect.TIME)
_BLIND = Rule(Severity.ERROR, Effect.BLIND)
_WARNING = Rule(Severity.WARNING, Effect.NONE)
_NOTE = Rule(Severity.NOTE, Effect.NONE)

RULES = {
    "no_objects": _AWAITS,
    "playlist_absent": _AWAITS,
    "playlist_not_final": _AWAITS,
    "slice_missing": _AWAITS,
    "announced_missing": _AWAITS,
    "mp4_missing": _AWAITS,
    "slice_truncated": _UNSOUND,
    "mp4_empty": _UNSOUND,
    "object_vanished": _UNSOUND,
    "playlist_broken": _UNSOUND,
    "playlist_gap": _UNSOUND,
    "playlist_tag_repeated": _UNSOUND,
    "playlist_duration_absent": _UNSOUND,
    "playlist_uri_foreign": _UNSOUND,
    "slices_out_of_order": _UNSOUND,
    "slice_displaced": _UNSOUND,
    "slice_foreign": _UNSOUND,
    "slice_programs": _UNSOUND,
    "size_changed": _UNSOUND,
    "streams_changed": _UNSOUND,
    "picture_black": _UNSOUND,
    "picture_white": _UNSOUND,
    "picture_blank": _UNSOUND,
    "picture_error_page": _UNSOUND,
    "mp4_broken": _UNSOUND,
    "mp4_track_absent": _UNSOUND,
    "mp4_duration": _UNSOUND,
    "mp4_damaged": _UNSOUND,
    "mp4_contradicts": _UNSOUND,
    "late_start": _TIME,
    "ended_early": _TIME,
    "failover": _TIME,
    "restart": _TIME,
    "damaged": _TIME,
    "gap": _TIME,
    "small_gaps": _TIME,
    "duration_wrong": _TIME,
    "playlist_too_long": _BLIND,
    "playlist_not_understood": _BLIND,
    "storage_refused": _BLIND,
    "storage_unreachable": _BLIND,
    "too_many_objects": _BLIND,
    "verifier_failed": _BLIND,
    "object_unread": _BLIND,
    "decoder_gave_up": _BLIND,
    "decoder_absent": _BLIND,
    "mp4_unread": _BLIND,
    "nothing_wanted": _WARNING,
    "endlist_absent": _WARNING,
    "slice_empty": _WARNING,
    "slice_broken": _WARNING,
    "packets_lost": _WARNING,
    "video_absent": _WARNING,
    "audio_absent": _WARNING,
    "picture_undecodable": _WARNING,
    "slice_unlisted": _WARNING,
    "object_changed": _WARNING,
    "media_doubled": _WARNING,
    "mp4_absent_in_run": _WARNING,
    "mp4_differs": _WARNING,
    "playlist_target_duration": _WARNING,
    "playlist_version": _WARNING,
    "playlist_duration_unreadable": _WARNING,
    "playlist_end_early": _WARNING,
    "playlist_form": _WARNING,
    "timestamps_jump": _WARNING,
    "slice_tables_absent": _WARNING,
    "codec_unexpected": _WARNING,
    "size_unexpected": _WARNING,
    "channels_unexpected": _WARNING,
    "sound_undecodable": _WARNING,
    "sound_silent": _WARNING,
    "picture_damaged": _WARNING,
    "media_lost": _WARNING,
    "picture_static": _NOTE,
    "slice_without_key": _NOTE,
    "mp4_fragmented": _NOTE,
    "playlist_target_loose": _NOTE,
    "playlist_tag_unknown": _NOTE,
    "playlist_copy_used": _NOTE,
    "unreported_file": _NOTE,
    "announced_unreadable": _NOTE,
    "unknown_object": _NOTE,
    "rules_changed": _NOTE,
}


class Findings:
    """Collects findings. The first ten findings of each code are kept in full, and an eleventh contains the count of
    the rest."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._counts: dict[str, int] = {}
        self.effects: set[Effect] = set()

    def add(
        self,
        code: str,
        text: str,
        *,
        key: str | None = None,
        interval: Interval | None = None,
        severity: Severity | None = None,
        final: bool = True,
        evidence: Evidence | None = None,
    ) -> None:
        """Add a finding. A `severity` below the rule's removes its effect. A finding that is not `final` can at most
        make the recording incomplete, since the object may still be replaced."""
        rule = RULES[code]
        if severity in (None, rule.severity):
            awaited = rule.effect in (Effect.UNSOUND, Effect.TIME) and not final
            self.effects.add(Effect.AWAITS if awaited else rule.effect)
        count = self._counts[code] = self._counts.get(code, 0) + 1
        if count <= _KEPT:
            self._kept.append(Finding(code, severity or rule.severity, text, key, interval, evidence or {}))

    def copy(self) -> "Findings":
        """Return a copy to which findings can be added."""
        made = Findings()
        made._kept, made._counts, made.effects = list(self._kept), dict(self._counts), set(self.effects)
        return made

    def extend(self, findings: tuple[Finding, ...], *, final: bool) -> None:
        """Add the findings of a reader. For `final`, see `add`."""
        for one in findings:
            self.add(one.code, one.text, key=one.object, severity=one.severity, final=final, evidence=one.evidence)

    def all(self) -> tuple[Finding, ...]:
        """Return all findings in order, with one entry for the remaining count of each code."""
        more = [
            Finding(
                code, RULES[code].severity, f"{count - _KEPT} more of the same kind.", evidence={"more": count - _KEPT}
            )
            for code, count in self._counts.items()
            if count > _KEPT
        ]
        return (*self._kept, *more)
