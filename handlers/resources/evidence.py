"""What is known beside the recording itself: its history, files and reports, and why it is as it is."""

from typing import Annotated, Any

from pydantic import Field

from handlers.requests.instants import InstantOut
from handlers.resources.recordings import CoverageView, FindingView, RulesVersion, WantedLevel
from handlers.resources.view import IntervalView, PageView, View, pick, render
from service.explain import Certainty
from service.operations import FileEntry
from service.recording import Blame
from service.report import FileKind, Level, MissingClass, Report, Verdict, rules_of


class MissingView(View):
    """Wanted time without media. `explained` time does not count against the allowance."""

    kind: MissingClass
    from_at: InstantOut
    to_at: InstantOut
    seconds: float
    explained: bool


class WholeReportView(View):
    """One look at the bucket: all it found, the timeline of all parts, and what the look cost.

    `covered`, `paused`, `missing` and `doubled` are stretches of the wanted window. `seed` says which samples were
    taken, `drift_seconds` is what many small holes add up to."""

    number: int
    verdict: Verdict
    level: Annotated[Level, Field(description="The level that was reached")]
    wanted_level: WantedLevel
    rules_version: RulesVersion
    judged_at: InstantOut
    findings: tuple[FindingView, ...]
    coverage: CoverageView | None
    covered: tuple[IntervalView, ...]
    paused: tuple[IntervalView, ...]
    missing: tuple[MissingView, ...]
    doubled: tuple[IntervalView, ...]
    drift_seconds: float
    seed: int
    samples: int
    requests: int
    bytes_read: int
    cpu_seconds: float


class HistoryView(View):
    """One thing that happened. `count` > 1: that many equal progress notices, the last one at `at`."""

    number: int
    at: InstantOut
    kind: str
    source: str
    detail: dict[str, Any]
    count: int


class HistoryPage(PageView[HistoryView]):
    """What happened to a recording, oldest first."""


class ProofView(View):
    """What shows it, and when it was seen. `source`: `caller`, `agora`, `notice`, `bucket` or `worker`."""

    at: InstantOut
    source: str
    text: str


class ExplanationView(View):
    """Why a recording is as it is. `cause`: an end reason, the code of a finding, an attention or a warning, or one of
    `backup_upload`, `fine`, `under_way`, `unknown`, `warned`."""

    summary: str
    cause: str
    certainty: Certainty
    blame: Blame | None
    proof: tuple[ProofView, ...]
    advice: str


class FileView(View):
    """A file of the recording and who has seen it. `missing`: a witness named it, the bucket does not have it."""

    key: str
    kind: FileKind
    size_bytes: int | None
    etag: Annotated[str | None, Field(description="The store's change mark. It is no hash of the bytes")]
    modified_at: InstantOut | None
    starts_at: InstantOut | None
    duration_seconds: float | None
    announced: bool
    listed: bool
    in_playlist: bool
    missing: bool
    sha256: Annotated[str | None, Field(description="Hex digest, where a look read every byte (`bytes`, `full`)")]
    checksum: Annotated[str | None, Field(description="What the store keeps, with its name in front: `crc64nvme:…`")]
    first_seen_at: InstantOut
    judged_at: InstantOut | None
    link: Annotated[str | None, Field(description="A presigned link, if asked for. It is a secret")]


class FilePage(PageView[FileView]):
    """The files of a recording."""


def view_file(entry: FileEntry) -> FileView:
    """One file: what was judged, and when it was seen."""
    return FileView.model_validate(
        pick(entry.file, FileView, **{name: getattr(entry, name) for name in ("first_seen_at", "judged_at", "link")})
    )


def render_report(number: int, report: Report) -> bytes:
    """The JSON of a whole report."""
    return render(
        WholeReportView.model_validate(pick(report, WholeReportView, number=number, rules_version=rules_of(report)))
    )
