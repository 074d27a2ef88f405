"""The metrics of the intake exist from the start and count what they say."""

from prometheus_client import generate_latest

from metrics import REGISTRY, intake


def test_every_series_is_exported_as_zero_before_anything_happened() -> None:
    exported = generate_latest(REGISTRY).decode()
    for outcome in intake.OUTCOMES:
        for label in (*map(str, intake.EVENT_TYPES), "other"):
            assert f'pagereel_notifications_total{{outcome="{outcome}",type="{label}"}}' in exported
    for reason in ("full", "late", "database"):
        assert f'pagereel_intake_failures_total{{reason="{reason}"}}' in exported
    assert 'pagereel_notification_delay_seconds_bucket{le="+Inf"}' in exported
    assert "_created" not in exported, "only what docs/metrics.md describes"


def test_unknown_types_are_counted_together() -> None:
    before = REGISTRY.get_sample_value("pagereel_notifications_total", {"type": "other", "outcome": "rejected"})
    for event_type in (None, 0, 5, 99999, -1):
        intake.counted(event_type, "rejected")
    after = REGISTRY.get_sample_value("pagereel_notifications_total", {"type": "other", "outcome": "rejected"})
    assert before is not None
    assert after == before + 5


def test_delays_fall_into_their_buckets_and_add_up() -> None:
    def now() -> list[float]:
        names = [("bucket", {"le": le}) for le in ("0.1", "0.25", "86400.0", "+Inf")] + [("sum", {}), ("count", {})]
        return [
            REGISTRY.get_sample_value(f"pagereel_notification_delay_seconds_{n}", labels) or 0.0 for n, labels in names
        ]

    before = now()
    intake.delays.observe([-3.0, 0.1, 0.2, 1e6])
    assert [round(new - old, 6) for new, old in zip(now(), before, strict=True)] == [2, 3, 3, 4, 999997.3, 4]


def test_the_inbox_gauges_show_what_was_measured() -> None:
    intake.measured(3, 1000.5, 2)
    assert REGISTRY.get_sample_value("pagereel_inbox_depth") == 3
    assert REGISTRY.get_sample_value("pagereel_recorders_unknown") == 2
    assert REGISTRY.get_sample_value("pagereel_inbox_oldest_timestamp_seconds") == 1000.5
    intake.measured(0, None, 0)
    assert REGISTRY.get_sample_value("pagereel_inbox_oldest_timestamp_seconds") == 0
