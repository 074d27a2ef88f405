"""The faults: one model, one table of kinds, one script (docs/emulator.md, Faults). Pure.

Defines the shape of a fault and validates it. `emulator.faults.registry` decides when a fault takes effect.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emulator.requests.error_codes import CODES

Endpoint = Literal["acquire", "start", "query", "update", "stop", "ncs"]
Kind = Literal[
    "answer",
    "drop_answer",
    "delay_answer",
    "reset",
    "not_found",
    "late_start",
    "engine_fails",
    "page_unreachable",
    "page_not_ready",
    "page_blank",
    "page_silent",
    "page_dies",
    "reload",
    "capability_limit",
    "failover",
    "push_fails",
    "push_breaks",
    "lose_slice",
    "storage_away",
    "upload_fails",
    "upload_slow",
    "notices_drop",
    "notices_duplicate",
    "notices_shuffle",
    "notices_late",
    "notices_forge",
]

_EVERY = {"kind", "cname", "uid", "times", "skip", "share", "seed"}
_NOTICES = {"events"}
# The required fields of each kind, and its optional fields.
FIELDS: dict[Kind, tuple[set[str], set[str]]] = {
    "answer": ({"endpoint"}, {"status", "body", "code"}),
    "drop_answer": ({"endpoint"}, set()),
    "delay_answer": ({"seconds"}, {"endpoint"}),
    "reset": ({"endpoint"}, set()),
    "not_found": ({"seconds"}, {"after"}),
    "late_start": ({"seconds"}, set()),
    "engine_fails": (set(), set()),
    "page_unreachable": (set(), set()),
    "page_not_ready": (set(), {"loads"}),
    "page_blank": (set(), {"colour"}),
    "page_silent": (set(), set()),
    "page_dies": ({"seconds"}, {"code"}),
    "reload": ({"seconds"}, {"window"}),
    "capability_limit": ({"seconds"}, {"limit"}),
    "failover": ({"seconds", "window"}, {"overlap"}),
    "push_fails": (set(), set()),
    "push_breaks": ({"seconds"}, set()),
    "lose_slice": ({"index"}, set()),
    "storage_away": ({"seconds"}, {"after"}),
    "upload_fails": (set(), {"code", "after"}),
    "upload_slow": ({"seconds"}, set()),
    "notices_drop": (set(), _NOTICES),
    "notices_duplicate": (set(), {"copies", *_NOTICES}),
    "notices_shuffle": ({"seconds"}, _NOTICES),
    "notices_late": ({"seconds"}, _NOTICES),
    "notices_forge": (set(), {"copies", *_NOTICES}),
}
_ENDS = {2, 3, 4, 5, 6}
_UPLOAD_CODES = {32, 47, 51}


class Fault(BaseModel):
    """One fault of a script or of the admin API. All seconds are real seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    cname: str = Field("*", description="glob; only tasks or requests that match")
    uid: str = Field("*", description="glob")
    times: int | None = Field(None, ge=1, description="how many requests, tasks or notices; None: until cleared")
    skip: int = Field(0, ge=0, description="how many it lets pass first")
    share: float = Field(1.0, ge=0, le=1, description="probability for each of them")
    seed: int = Field(0, description="changes the dice of this fault alone")
    endpoint: Endpoint | None = None
    status: int | None = Field(None, ge=200, le=599)
    body: dict[str, Any] | None = None
    code: int | None = Field(None, description="answer: Agora's code; page_dies: of event 71; upload_fails: of event 1")
    seconds: float | None = Field(None, ge=0)
    after: float = Field(0.0, ge=0, description="seconds until the window opens")
    window: float = Field(0.0, ge=0, description="seconds without media; failover: of 404 too")
    overlap: float = Field(0.0, ge=0, description="failover: seconds that both recorders write")
    loads: int = Field(2, ge=1, le=2, description="page_not_ready: how many loads never get ready")
    colour: Literal["white", "black", "grey"] = Field("white", description="of a blank page")
    limit: Literal["resolution", "WebGL", "bandwidth"] = "WebGL"
    index: int | None = Field(None, ge=0, description="lose_slice: number of the slice from 0")
    copies: int = Field(1, ge=1, description="additional copies")
    events: tuple[int, ...] | None = Field(None, description="notices_*: only these event types")

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        needed, optional = FIELDS[self.kind]
        missing = sorted(needed - self.model_fields_set)
        if missing:
            raise ValueError(f"{self.kind} needs {', '.join(missing)}")
        foreign = sorted(self.model_fields_set - needed - optional - _EVERY)
        if foreign:
            raise ValueError(f"{self.kind} does not take {', '.join(foreign)}")
        self._check_code()
        return self

    def _check_code(self) -> None:
        if self.kind == "answer" and (self.status is None) == (self.code is None):
            raise ValueError("answer needs either status (and body) or code")
        if self.kind == "answer" and self.code is not None and (self.endpoint, self.code) not in CODES:
            known = sorted(code for endpoint, code in CODES if endpoint == self.endpoint)
            raise ValueError(f"code: {self.endpoint} answers with {', '.join(map(str, known)) or 'none'} only")
        if self.kind == "page_dies" and self.code not in {None, *_ENDS}:
            raise ValueError("code: a page dies with 2 to 6")
        if self.kind == "upload_fails" and self.code not in {None, *_UPLOAD_CODES}:
            raise ValueError("code: an upload fails with 32, 47 or 51")


class Script(BaseModel):
    """A fault script: the random seed and the faults that are active from the start."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    faults: tuple[Fault, ...] = ()


def load_script(path: Path) -> Script:
    """Load the script from a TOML file. Raise ValueError that names every wrong key."""
    try:
        with path.open("rb") as file:
            return Script.model_validate(tomllib.load(file))
    except ValidationError as error:
        raise ValueError(explain(error)) from None


def explain(error: ValidationError) -> str:
    """Return one line for each error, with the place of the key and without the values."""
    return "\n".join(f"{_place(one['loc'])}: {_plain(one['msg'])}" for one in error.errors(include_input=False))


def kinds() -> tuple[str, ...]:
    """Return all kinds in the order of the documentation."""
    return get_args(Kind)


def _place(location: tuple[int | str, ...]) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return place.removeprefix(".") or "fault"


def _plain(message: str) -> str:
    return "unknown key" if message.startswith("Extra inputs") else message.removeprefix("Value error, ")
