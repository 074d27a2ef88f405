"""Pytest plugin (`-p tests.no_skips`): with `CI=true` a test that skips fails the run.

At home a missing Debian package skips its tests, and pytest's summary says so. In CI everything is there, so a skip is
a hole in the proof. An expected failure (`xfail`) is no skip.
"""

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Watch only where nothing may skip."""
    if os.environ.get("CI") == "true":
        config.pluginmanager.register(_NoSkips(), "no-skips-in-ci")


class _NoSkips:
    """Remembers what was skipped, and turns a green run red."""

    def __init__(self) -> None:
        self._skipped: dict[str, str] = {}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not hasattr(report, "wasxfail"):
            self._note(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._skipped and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._skipped:
            terminalreporter.section("skipped although CI=true", red=True)
            for place, reason in self._skipped.items():
                terminalreporter.line(f"{place}: {reason}")

    def _note(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        if report.skipped:
            longrepr = report.longrepr
            self._skipped[report.nodeid] = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
