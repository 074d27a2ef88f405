"""The policy of one recording: its intervals and rules. Pure data. Durations are in seconds."""

from dataclasses import dataclass

from service.report import Level


@dataclass(frozen=True, slots=True)
class Policy:
    """The intervals and rules of one recording. They are copied from the settings at its creation, so that a changed
    setting never affects a running recording. Durations are in seconds. `level` is the level of its verification."""

    lead_seconds: float = 5
    start_within_seconds: float = 120
    start_allowance_seconds: float = 30
    resource_life_seconds: float = 300
    start_repeat_seconds: tuple[float, ...] = (3, 6, 9)
    start_check_seconds: tuple[float, ...] = (5, 10, 20, 40, 60, 90)
    retry_seconds: tuple[float, ...] = (1, 3, 6, 10, 20, 30)
    find_sid_seconds: float = 10
    watch_seconds: float = 120
    first_watch_seconds: float = 20
    failover_window_seconds: float = 120
    stop_check_seconds: float = 15
    recheck_seconds: tuple[float, ...] = (180, 420, 900, 1800, 3600)
    stalled_seconds: float = 60
    max_pause_seconds: float = 3600
    sts_refresh_seconds: float = 3600
    upload_wait_seconds: float = 120
    announced_look_seconds: tuple[float, ...] = (0, 5, 15, 45, 120)
    look_seconds: tuple[float, ...] = (60, 300, 900, 3600, 10800, 21600, 43200, 86400)
    give_up_announced_seconds: float = 86400
    give_up_seconds: float = 604800
    missing_floor_seconds: float = 5
    missing_share: float = 0.001
    max_missing_seconds: float | None = None
    failover_hole_seconds: float = 90
    pause_slack_seconds: float = 5
    two_reads_apart_seconds: float = 5
    endlist_expected: bool = False
    blank_seconds: float = 60
    level: Level = Level.CONTENT
    reaudit_share: float = 0.05
    reaudit_seconds: tuple[float, ...] = (604800, 2592000)
    restart: bool = False
    max_restarts: int = 1
