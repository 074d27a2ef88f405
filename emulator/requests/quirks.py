"""Settings for the points that Agora's documents contradict, leave open or leave to an emulator (agora-reference §14).

Defines the choices and their defaults, which are the most likely ones. It does not act on them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Quirks(BaseModel):
    """Independent switches. A client must work with every value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Requests
    cname_max_bytes: int = Field(63, ge=1, le=1024, description="longest cname: 63, 128 or 1024")
    min_side: int = Field(240, ge=1, description="smallest videoWidth and videoHeight")
    bitrate_limits: bool = Field(True, description="videoBitrate must be from 50 to 8000")
    region_fields: Literal["both", "region", "regionAffinity"] = Field("both", description="accepted by acquire")
    hour_limits: Literal["free", "not_above", "smaller"] = Field(
        "free", description="maxRecordingHour against resourceExpiredHour"
    )
    qps_scope: Literal["app", "account"] = "app"
    stream_limits: Literal["none", "lower", "higher"] = Field(
        "none", description="the table of streams by size and area, and whose limit bounds mixed sizes"
    )
    misspelt_keys: Literal["ignored", "refused", "accepted"] = Field(
        "ignored", description="keys that Agora does not document, such as VideoBitrate"
    )
    # Answers
    error_body: Literal["short", "long"] = "short"
    echo_names: bool = Field(True, description="answers carry cname and uid")
    already_started_ids: bool = Field(False, description="201 carries the ids too")
    used_up_code: Literal[433, 1001] = Field(433, description="code of a resource id that is too old or was used")
    query_file_list: bool = Field(True, description="query fills fileList")
    query_push_first: bool = Field(False, description="query lists the push before the recorder")
    push_state: bool = Field(True, description="query's push entry carries state")
    exiting_query: Literal["status", "501"] = Field("status", description="query between stop and exit")
    file_key: Literal["filename", "fileName"] = "filename"
    file_prefix: bool = Field(False, description="listed file names carry the folders")
    slice_start_unit: Literal["ms", "s"] = "ms"
    recorder_first: bool = Field(False, description="recorder entry before upload entry in stop's answer")
    stop_entries: Literal["full", "upload", "none"] = "full"
    stop_says_backuped: bool = Field(False, description="a stop says backuped though all is well")
    unknown_word: Literal["unknown", "unknow"] = "unknown"
    sync_stop_status: Literal[206, 504] = Field(206, description="HTTP status of code 50")
    nothing_recorded: Literal["435", "200"] = Field("435", description="stop of a task without a slice")
    ncs_ip: Literal["both", "v1", "v2"] = "both"
    # Calls
    update_refused: bool = Field(False, description="update is refused with 400, code 2")
    update_resets: bool = Field(False, description="a block left out of update falls back: onhold to false")
    update_without_push: Literal["starts", "refused", "ignored"] = Field(
        "starts", description="an update with outputs where start named no push"
    )
    # Notices
    notice_sid: bool = Field(True, description="top-level sid in notices")
    service_scene: bool = Field(True, description="serviceScene in notices")
    sequence_scope: Literal["sid", "module"] = Field("sid", description="what sequence counts")
    redundant_notice_id: Literal["same", "own"] = Field("same", description="noticeId of the second route's copy")
    unsaid_events: tuple[int, ...] = Field((), description="event types that are never sent")
    register_notice: bool = Field(False, description="event 13 after start")
    sts_notice: bool = Field(False, description="event 34 when the STS token expires")
    recorder_started_40: bool = Field(False, description="event 40 beside 70")
    file_infos: Literal["once", "repeated"] = Field("once", description="event 4")
    progress: Literal["ratio", "grows"] = Field("ratio", description="event 33")
    exit_field: Literal["exitStatus", "leaveStatus"] = "exitStatus"
    exit_before_uploaded: bool = Field(False, description="event 11 before 31 or 32")
    rtmp_status_type: Literal["string", "number"] = "string"
    disconnected_at_end: bool = Field(True, description="event 100 disconnected when the recording ends")
    recording_mode: Literal[0, 1] = Field(1, description="recordingMode of event 3")
    recorder_error_blank: bool = Field(False, description="a blank behind the message recorder_error")
    failover_uid: Literal["new", "old"] = Field("new", description="uid in notices after a failover")
    failover_twice: bool = Field(False, description="after a failover 31, 32 and 11 come from both workers")
    # Recording and files
    failover_limit: int | None = Field(None, ge=0, description="more failovers end the task with 71 code 6")
    break_times: Literal["jump", "continue"] = Field("jump", description="media time across a pause or a reload")
    hold_billed: bool = Field(True, description="time on hold is billed")
    hold_push: bool = Field(True, description="a pause puts the push on hold too")
    storage_error_ends: bool = Field(True, description="a refused upload ends the task (71 code 6)")
    mp4_during: bool = Field(False, description="an MP4 is uploaded when it is full, not at the end")
    cname_space: Literal["keep", "dash"] = Field("keep", description="a space of cname in file names")
    playlist_time: Literal["utc17", "ms"] = "utc17"
    track_events: bool = Field(True, description="AGORA-TRACK-EVENT tags in playlists")
    discontinuity_last: bool = Field(False, description="DISCONTINUITY behind those tags")
    endlist: bool = Field(True, description="the last playlist ends with ENDLIST")
