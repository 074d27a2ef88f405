"""The default parameters of recordings, and the timing of the service, with their ranges. Pure."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from service.errors import Code, FieldError, ServiceError
from service.policy import Policy
from service.recording import Parameters, RestartRule
from service.settings.section import Section

MAX_PIXELS: Final = 1920 * 1080
MAX_RECORDING_HOUR: Final = 719
_P, _T = Parameters(), Policy()

Side = Annotated[int, Field(ge=240, le=1920)]
Seconds = Annotated[float, Field(gt=0, le=30 * 86400)]
Steps = Annotated[tuple[Annotated[float, Field(ge=0, le=30 * 86400)], ...], Field(min_length=1, max_length=50)]


class ParameterRules(Section):
    """The ranges of agora-reference §3.3 for `recording.Parameters`; the hour limit stays below 720 (§14 no. 9)."""

    video_width: Side = _P.video_width
    video_height: Side = _P.video_height
    video_fps: int = Field(_P.video_fps, ge=5, le=60)
    video_bitrate: int | None = Field(_P.video_bitrate, ge=50, le=8000)
    audio_profile: int = Field(_P.audio_profile, ge=0, le=2)
    mobile: bool = _P.mobile
    max_recording_hour: int = Field(_P.max_recording_hour, ge=1, le=MAX_RECORDING_HOUR)
    max_video_duration: int = Field(_P.max_video_duration, ge=30, le=240)
    ready_timeout: int = Field(_P.ready_timeout, ge=0, le=60)
    onhold: bool = _P.onhold
    av_file_type: tuple[Literal["hls", "mp4"], ...] = ("hls", "mp4")
    private_params: str | None = Field(_P.private_params, max_length=1000)

    @field_validator("video_height")
    @classmethod
    def _within_area(cls, height: int, others: ValidationInfo) -> int:
        if height * others.data.get("video_width", 0) > MAX_PIXELS:
            raise ValueError("times video_width should be at most 1920 x 1080 pixels")
        return height

    @field_validator("av_file_type")
    @classmethod
    def _with_hls(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if kinds not in (("hls",), ("hls", "mp4")):
            raise ValueError('should be ["hls"] or ["hls", "mp4"]')
        return kinds

    @field_validator("private_params")
    @classmethod
    def _json_object(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                whole = isinstance(json.loads(text), dict)
            except ValueError:
                whole = False
            if not whole:
                raise ValueError("should be a JSON object in a string")
        return text


class Preset(ParameterRules):
    """Named defaults of a recording. `preflight`: the page is tested before Agora is called. `sound`: whether pages are
    expected to have sound; None: by their files."""

    app: str | None = None
    storage: str | None = None
    preflight: bool = False
    sound: bool | None = None
    correct_extinf: bool = False
    restart: RestartRule = "never"
    max_restarts: int = Field(_T.max_restarts, ge=0, le=20)
    notify: tuple[str, ...] = Field((), max_length=8)

    def parameters(self, wished: Mapping[str, Any] | None = None) -> Parameters:
        """Return the preset's parameters, overridden by the caller's (field names of `recording.Parameters`).

        Raise `ServiceError` `invalid` with a pointer for each value that is out of range, alone or in combination.
        """
        own = {field.name: getattr(self, field.name) for field in fields(Parameters)}
        try:
            rules = ParameterRules.model_validate({**own, **(wished or {})})
        except ValidationError as error:
            raise _invalid(error) from None
        values = rules.model_dump()
        if self.correct_extinf:
            values["private_params"] = json.dumps({**json.loads(rules.private_params or "{}"), "correctEXTINF": True})
        return Parameters(**values)


def _invalid(error: ValidationError) -> ServiceError:
    found = tuple(
        FieldError("/" + "/".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, "))
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    )
    text = "; ".join(f"{each.pointer}: {each.message}" for each in found)
    return ServiceError(Code.INVALID, text, errors=found)


class Timing(Section):
    """The intervals and windows of `recording.Policy`, except those of a preset (restart rule)."""

    lead_seconds: Annotated[float, Field(ge=0, le=600)] = _T.lead_seconds
    start_within_seconds: Seconds = _T.start_within_seconds
    start_allowance_seconds: Annotated[float, Field(ge=0, le=600)] = _T.start_allowance_seconds
    resource_life_seconds: Annotated[float, Field(gt=0, le=300)] = _T.resource_life_seconds
    start_repeat_seconds: Steps = _T.start_repeat_seconds
    start_check_seconds: Steps = _T.start_check_seconds
    retry_seconds: Steps = _T.retry_seconds
    find_sid_seconds: Seconds = _T.find_sid_seconds
    watch_seconds: Seconds = _T.watch_seconds
    first_watch_seconds: Seconds = _T.first_watch_seconds
    failover_window_seconds: Seconds = _T.failover_window_seconds
    stop_check_seconds: Seconds = _T.stop_check_seconds
    recheck_seconds: Steps = _T.recheck_seconds
    stalled_seconds: Seconds = _T.stalled_seconds
    max_pause_seconds: Seconds = _T.max_pause_seconds
    sts_refresh_seconds: Seconds = _T.sts_refresh_seconds
    upload_wait_seconds: Seconds = _T.upload_wait_seconds
    announced_look_seconds: Steps = _T.announced_look_seconds
    look_seconds: Steps = _T.look_seconds
    give_up_announced_seconds: Seconds = _T.give_up_announced_seconds
    give_up_seconds: Seconds = _T.give_up_seconds
    missing_floor_seconds: Annotated[float, Field(ge=0, le=3600)] = _T.missing_floor_seconds
    missing_share: Annotated[float, Field(ge=0, lt=1)] = _T.missing_share
    max_missing_seconds: Annotated[float, Field(ge=0)] | None = _T.max_missing_seconds
    failover_hole_seconds: Annotated[float, Field(ge=0, le=3600)] = _T.failover_hole_seconds
    pause_slack_seconds: Annotated[float, Field(ge=0, le=600)] = _T.pause_slack_seconds
    two_reads_apart_seconds: Annotated[float, Field(ge=0, le=600)] = _T.two_reads_apart_seconds
    endlist_expected: bool = _T.endlist_expected
    reaudit_share: Annotated[float, Field(ge=0, le=1)] = _T.reaudit_share
    reaudit_seconds: Steps = _T.reaudit_seconds
    blank_seconds: Annotated[float, Field(ge=0)] = _T.blank_seconds

    @field_validator("start_repeat_seconds")
    @classmethod
    def _within_life(cls, steps: tuple[float, ...], others: ValidationInfo) -> tuple[float, ...]:
        if sum(steps) >= others.data.get("resource_life_seconds", 300):
            raise ValueError("together should be shorter than resource_life_seconds")
        return steps
