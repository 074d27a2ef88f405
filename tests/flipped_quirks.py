"""Every quirk of the emulator at another value than its default (docs/emulator.md, Quirks)."""

from __future__ import annotations

from typing import Any

# What does not go together is told in different stories.
FLIPPED: dict[str, dict[str, Any]] = {
    "most": {
        **{"cname_max_bytes": 128, "min_side": 1, "bitrate_limits": False, "region_fields": "region"},
        **{"hour_limits": "smaller", "misspelt_keys": "refused", "error_body": "long", "echo_names": False},
        **{"already_started_ids": True},
        **{"used_up_code": 1001, "query_push_first": True, "push_state": False, "exiting_query": "501"},
        **{"file_key": "fileName", "file_prefix": True, "slice_start_unit": "s", "recorder_first": True},
        **{"stop_says_backuped": True},
        **{"unknown_word": "unknow", "sync_stop_status": 504, "nothing_recorded": "200", "ncs_ip": "v1"},
        **{"update_resets": True, "update_without_push": "refused"},
        **{"notice_sid": False, "service_scene": False, "sequence_scope": "module"},
        **{"redundant_notice_id": "own", "register_notice": True, "sts_notice": True, "recorder_started_40": True},
        **{"file_infos": "repeated", "progress": "grows", "exit_field": "leaveStatus", "exit_before_uploaded": True},
        **{"rtmp_status_type": "number", "disconnected_at_end": False, "recording_mode": 0},
        **{"recorder_error_blank": True, "failover_uid": "old", "break_times": "continue", "hold_billed": False},
        **{"hold_push": False, "storage_error_ends": False, "mp4_during": True, "cname_space": "dash"},
        **{"playlist_time": "ms", "discontinuity_last": True, "endlist": False},
    },
    "some": {
        **{"region_fields": "regionAffinity", "hour_limits": "not_above", "query_file_list": False},
        **{"stop_entries": "upload", "unsaid_events": (30,), "failover_twice": True, "track_events": False},
        **{"ncs_ip": "v2", "misspelt_keys": "accepted", "update_without_push": "ignored"},
    },
    "few": {"update_refused": True, "failover_limit": 0, "stop_entries": "none"},
}
