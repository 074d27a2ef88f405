"""What callers may send: bodies and queries, each a closed set of named, strictly typed fields.

A body is a mapping of what the caller named and nothing else, since a preset or the setting gives the rest; null is no
way to leave a field out. Ranges are Agora's (agora-reference §3.3). What needs a setting, a preset or the clock (names,
URL rules, width × height, instants against now and each other) is judged by the operations: they look for the answer
stored under an idempotency key first, so a repeated request is not refused because its `start_at` has passed meanwhile.
"""

from dataclasses import fields
from typing import Annotated, Any, Final, Literal, NotRequired, Required

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, with_config
from typing_extensions import TypedDict

from handlers.requests.instants import InstantIn
from handlers.requests.uids import UidIn
from service.errors import invalid
from service.operations import RecordingFilter, Wish
from service.recording import Parameters, RestartRule, State
from service.report import Level
from service.wording import label_pair

DEFAULT_PAGE: Final = 50
MAX_PAGE: Final = 200
# Far ahead: generators of requests take them, and a past one is refused as such.
_START_EXAMPLE: Final = "2031-01-31T09:30:00.000Z"
_STOP_EXAMPLE: Final = "2031-01-31T10:30:00.000Z"
_PARAMETERS: Final = frozenset(field.name for field in fields(Parameters))

_CLOSED_STRICT = ConfigDict(extra="forbid", strict=True)
_CLOSED = ConfigDict(extra="forbid")


def _within_128_bytes(text: str) -> str:
    if len(text.encode()) > 128:
        raise ValueError("must not be longer than 128 bytes")
    return text


def _known_files(kinds: list[str]) -> list[str]:
    if kinds not in (["hls"], ["hls", "mp4"]):
        raise ValueError('must be ["hls"] or ["hls","mp4"]')
    return kinds


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
MessageId = Annotated[str, StringConstraints(pattern=r"^msg_[A-Za-z0-9_]{1,64}$")]
LabelKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,32}$")]
LabelValue = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=128), AfterValidator(_within_128_bytes)
]
Labels = Annotated[
    dict[LabelKey, LabelValue],
    Field(max_length=16, description="Keys: 1 to 32 of a to z, 0 to 9, `_`, `.`, `-`. Values have at most 128 bytes"),
]
PageUrl = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00-\x20\x7f]+$", max_length=16384),
    Field(description="The page to record. Kept sealed, shown only without user, query and fragment"),
]
RtmpUrl = Annotated[
    str,
    StringConstraints(pattern=r"^rtmps?://[^\x00-\x20\x7f]+$", max_length=16384),
    Field(description="Where the picture is pushed as well. Kept sealed, shown only as scheme and host"),
]
LevelIn = Annotated[
    Level, Field(strict=False, description="How deep the bucket is looked at. Default: the storage profile's")
]
FileTypes = Annotated[
    list[str],
    AfterValidator(_known_files),
    # No `enum` of lists: generators of clients leave out a call whose body has one.
    WithJsonSchema(
        {"type": "array", "items": {"type": "string", "enum": ["hls", "mp4"]}, "minItems": 1, "maxItems": 2}
    ),
]


@with_config(_CLOSED_STRICT)
class StartBody(TypedDict, total=False):
    """A recording to make. What is not named comes from the preset."""

    url: Required[PageUrl]
    app: Annotated[Name, Field(description="Name of an Agora app of the settings")]
    storage: Annotated[Name, Field(description="Name of a storage profile of the settings")]
    preset: Annotated[Name, Field(description="Name of a preset of the settings")]
    video_width: Annotated[int, Field(ge=240, le=1920, description="Pixels; width × height ≤ 1920 × 1080")]
    video_height: Annotated[int, Field(ge=240, le=1920, description="Pixels; width × height ≤ 1920 × 1080")]
    video_fps: Annotated[int, Field(ge=5, le=60)]
    video_bitrate: Annotated[int, Field(ge=50, le=8000, description="kbit/s")]
    audio_profile: Annotated[int, Field(ge=0, le=2, description="0: mono 48 kbit/s, 1: mono 128, 2: stereo 192")]
    mobile: Annotated[bool, Field(description="Render the page as a phone does")]
    max_recording_hour: Annotated[
        int,
        Field(
            ge=1,
            le=719,
            description="Agora ends the recording after so many hours. Default: the preset's, or what its length needs",
        ),
    ]
    max_video_duration: Annotated[int, Field(ge=30, le=240, description="Minutes after which an MP4 is split")]
    ready_timeout: Annotated[int, Field(ge=0, le=60, description="Seconds the page may take to load; 0: no check")]
    onhold: Annotated[bool, Field(description="Open the page, but record only from the resume on")]
    av_file_type: FileTypes
    rtmp_url: RtmpUrl
    labels: Labels
    max_missing_seconds: Annotated[float, Field(ge=0, le=86400, description="Unexplained missing time to be accepted")]
    level: LevelIn
    restart: Annotated[
        RestartRule,
        Field(
            description="Whether another attempt is made when one surely ended by a failure that another may not meet"
        ),
    ]
    max_restarts: Annotated[
        int,
        Field(
            ge=0,
            le=20,
            description="At most so many more attempts, within the hours left. Needs `restart` `on_failure`",
        ),
    ]
    start_at: Annotated[
        InstantIn, Field(description="Not past, at most 30 days ahead. Without it: at once", examples=[_START_EXAMPLE])
    ]
    stop_at: Annotated[InstantIn, Field(description="After `start_at` and after now", examples=[_STOP_EXAMPLE])]
    record_for_seconds: Annotated[
        float,
        Field(
            ge=1,
            le=719 * 3600,
            description="Stop after so long of recording: sets `stop_at` when it begins to record. Excludes `stop_at`",
        ),
    ]
    sound: Annotated[
        bool,
        Field(
            description="Whether the page makes sound. `false`: silence is no finding; `true`: slices without a sound "
            "track are one, also where no slice has one. Default: the preset's"
        ),
    ]
    start_within_seconds: Annotated[
        float, Field(ge=1, le=86400, description="Give up if nothing was recorded so long after the start. Default 120")
    ]
    notify: Annotated[
        list[Name], Field(max_length=8, description="Names of endpoints of the settings that get its messages")
    ]


@with_config(_CLOSED_STRICT | ConfigDict(json_schema_extra={"minProperties": 1}))
class ChangeBody(TypedDict, total=False):
    """What can be changed afterwards; at least one of the two."""

    stop_at: Annotated[
        InstantIn,
        Field(
            description="After now and the start, within `max_recording_hour`; it can be moved, not removed",
            examples=[_STOP_EXAMPLE],
        ),
    ]
    labels: Annotated[Labels, Field(description="Replaces all labels; `{}` removes them")]


@with_config(_CLOSED_STRICT)
class RtmpBody(TypedDict):
    """The new RTMP target."""

    rtmp_url: RtmpUrl


@with_config(_CLOSED_STRICT)
class AdoptBody(TypedDict, total=False):
    """What is known of the lost task, from the log line `acquired`."""

    app: Required[Annotated[Name, Field(description="The app it was made with")]]
    storage: Required[Annotated[Name, Field(description="The storage profile it was made with")]]
    uid: Required[UidIn]
    resource_id: Required[Annotated[str, StringConstraints(pattern=r"^[!-~]{1,2048}$")]]
    sid: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$"), Field(description="By default it is searched for")
    ]
    attempt: Annotated[int, Field(ge=1, le=100, description="Which attempt it was. Default 1")]
    hours: Annotated[int, Field(ge=1, le=719, description="Its hour limit. Default 3")]
    stop: Annotated[bool, Field(description="Stop it at once. Default false")]
    unchecked: Annotated[bool, Field(description="Adopt it although Agora does not confirm the task. Default false")]


@with_config(_CLOSED)
class VerifyQuery(TypedDict, total=False):
    """How deep to look; without it as deep as the recording is verified anyway."""

    level: LevelIn


@with_config(_CLOSED)
class ReportQuery(TypedDict, total=False):
    """Which report; without it the newest."""

    number: Annotated[int, Field(ge=1, le=1_000_000)]


@with_config(_CLOSED_STRICT)
class RedriveBody(TypedDict, total=False):
    """Which dead deliveries; an empty object, or no body, means all of the owner's."""

    endpoint: Name
    messages: Annotated[list[MessageId], Field(min_length=1, max_length=1000)]


def wish_of(body: StartBody) -> Wish:
    """The wish that a body means: Agora's parameters apart from the rest, only what was named."""
    given: dict[str, Any] = dict(body)
    parameters: dict[str, Any] = {name: given.pop(name) for name in _PARAMETERS & given.keys()}
    if "av_file_type" in parameters:
        parameters["av_file_type"] = tuple(parameters["av_file_type"])
    if "notify" in given:
        given["notify"] = tuple(given["notify"])
    return Wish(parameters=parameters, **given)


def _digits(text: object) -> int:
    if not isinstance(text, str) or not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError("must be a whole number, given once")
    return int(text)


_YES_OR_NO: Final = {"type": "string", "enum": ["true", "false"]}


def _yes_or_no(given: object) -> bool:
    if given not in ("true", "false"):
        raise ValueError("must be true or false")
    return given == "true"


def _states(given: object) -> list[str]:
    texts = given if isinstance(given, list) else [given]
    names = [name for text in texts for name in str(text).split(",")]
    if not set(names) <= set(State):
        raise ValueError("must be one or more of " + ", ".join(State))
    return names


def _label_pairs(given: object) -> dict[str, str]:
    pairs = [label_pair(str(text)) for text in (given if isinstance(given, list) else [given])]
    found = dict(pair for pair in pairs if pair is not None)
    if len(found) != len(pairs):
        raise ValueError("must be key=value or key:value, each key once")
    return found


_Number = BeforeValidator(_digits)
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE, description=f"Entries of a page. Default {DEFAULT_PAGE}"), _Number]
Cursor = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_=.-]{1,512}$"), Field(description="`next` of the page before")
]


@with_config(_CLOSED)
class PageQuery(TypedDict, total=False):
    """Which page of a list."""

    cursor: Cursor
    limit: Limit


_Instants = TypedDict(
    "_Instants",
    {
        "from": NotRequired[Annotated[InstantIn, Field(description="Requested then or later; write + as %2B")]],
        "to": NotRequired[Annotated[InstantIn, Field(description="Requested earlier than that")]],
    },
)


@with_config(_CLOSED)
class ListQuery(PageQuery, _Instants, total=False):
    """Which recordings; all conditions must hold."""

    state: Annotated[list[State], BeforeValidator(_states), Field(description="Repeated or with commas: any of them")]
    app: Name
    planned: Annotated[
        bool,
        BeforeValidator(_yes_or_no),
        WithJsonSchema(_YES_OR_NO | {"description": "Whether it waits for its `start_at`. `true`: next start first"}),
    ]
    warned: Annotated[
        bool,
        BeforeValidator(_yes_or_no),
        WithJsonSchema(_YES_OR_NO | {"description": "Whether its newest report has warnings"}),
    ]
    label: Annotated[
        dict[LabelKey, LabelValue],
        BeforeValidator(_label_pairs),
        Field(max_length=16),
        WithJsonSchema(
            {
                "type": "array",
                "items": {"type": "string", "pattern": r"^[a-z0-9_.-]{1,32}[=:][^\x00-\x1f\x7f]*$"},
                "description": "`key=value` or `key:value`, repeatable; all must be equal",
            }
        ),
    ]


_Span = TypedDict(
    "_Span",
    {
        "from": NotRequired[Annotated[InstantIn, Field(description="Slices that end later; write + as %2B")]],
        "to": NotRequired[Annotated[InstantIn, Field(description="Slices that begin earlier")]],
    },
)


@with_config(_CLOSED)
class SpanQuery(_Span, total=False):
    """Which span of a recording."""


@with_config(_CLOSED)
class FilesQuery(PageQuery, total=False):
    """Which page of the files, and whether with presigned links."""

    links: Annotated[Literal["true", "false"], Field(description="Add presigned links, which are secrets")]


@with_config(_CLOSED)
class ManifestQuery(TypedDict, total=False):
    """Whether the manifest is to be stamped with the time."""

    timestamp: Annotated[
        Literal["true", "false"], Field(description="Have the signature stamped by the authority of the settings")
    ]


@with_config(_CLOSED)
class NoticesQuery(PageQuery, total=False):
    """Which stored notifications; all conditions must hold."""

    sid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
    type: Annotated[int, Field(ge=0, le=999_999_999, description="Agora's eventType"), _Number]
    outcome: Literal["new", "applied", "foreign", "unmatched", "test", "broken", "parked"]


@with_config(_CLOSED)
class UsageQuery(TypedDict, total=False):
    """Which month."""

    month: Annotated[
        str,
        StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$"),
        Field(description="Such as `2026-11`, in UTC. Default: this month"),
    ]


@with_config(_CLOSED)
class EventsQuery(TypedDict, total=False):
    """From where on, and how long to wait for more."""

    after: Cursor
    limit: Limit
    wait: Annotated[
        int, Field(ge=0, le=60, description="Seconds to wait for an event where there is none yet"), _Number
    ]


@with_config(_CLOSED)
class DeliveriesQuery(PageQuery, total=False):
    """Which deliveries; all conditions must hold."""

    state: Literal["pending", "delivered", "dead", "skipped"]
    endpoint: Name


def filter_of(query: ListQuery) -> RecordingFilter:
    """The filter that a query means. Raises `invalid` for a span that ends before it begins."""
    from_at, to_at = span_of(query)
    return RecordingFilter(
        states=frozenset(query.get("state", ())),
        app=query.get("app"),
        labels=query.get("label", {}),
        from_at=from_at,
        to_at=to_at,
        planned=query.get("planned"),
        warned=query.get("warned"),
    )


def span_of(query: ListQuery | SpanQuery) -> tuple[float | None, float | None]:
    """From when to when. Raises `invalid` where that is the wrong way round: an empty answer would be taken for one."""
    from_at, to_at = query.get("from"), query.get("to")
    if from_at is not None and to_at is not None and from_at > to_at:
        raise invalid("?from", "is later than ?to, so nothing lies between them")
    return from_at, to_at


def page_of(query: PageQuery) -> tuple[str | None, int]:
    """Cursor and limit, the limit's default filled in."""
    return query.get("cursor"), query.get("limit", DEFAULT_PAGE)
