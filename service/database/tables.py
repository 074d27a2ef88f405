"""The tables. Columns contain the values that SQL searches, sorts or constrains. The other values are in the row's JSON
`document`.

Timestamps are doubles of Unix seconds. Documents are Text written by orjson and not a JSON type, so that they are the
same on both databases, and because PostgreSQL's JSONB refuses the `\\u0000` that a third party may send. `sealed` and
`body` columns contain values of `sealing`. Rows of `notifications` have no foreign key, because they are stored before
their recording is known.
"""

import sqlalchemy as sa

from service.notification import TEST_CNAME
from service.recording import State

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

RESOLUTIONS = ("hd", "full_hd")
OUTCOMES = ("new", "applied", "foreign", "unmatched", "test", "broken", "parked")

DELIVERY_STATES = ("pending", "delivered", "dead", "skipped")

_Instant = sa.Double
_Bytewise = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")  # object keys sort as a bucket lists them
_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite numbers only an INTEGER key by itself


def _one_of(column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} IN ({', '.join(repr(str(value)) for value in values)})", name=column)


def _owned(name: str) -> sa.Column[str]:
    """Return the key column of rows that belong to a recording and are deleted with it."""
    return sa.Column(name, sa.Text, sa.ForeignKey("recordings.id", ondelete="CASCADE"), nullable=False)


recordings = sa.Table(
    "recordings",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("app", sa.Text, nullable=False),
    sa.Column("storage", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("requested_at", _Instant, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("due_at", _Instant),  # NULL if nothing is scheduled
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", _Instant),
    sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("planned_at", _Instant),  # the planned start; NULL if it does not wait for one
    sa.Column("warned", sa.Boolean, nullable=False, server_default=sa.false()),
    _one_of("state", tuple(State)),
    # This index contains all columns that a listing filters by, so that a rare state among 100,000 rows is found in the
    # index alone.
    sa.Index("ix_recordings_list", "owner", "requested_at", "id", "state", "app"),
    sa.Index("ix_recordings_state", "state", "owner"),
    *(
        sa.Index(f"ix_recordings_{name}", *columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
        for name, columns, where in (
            ("planned", ["owner", "planned_at", "id"], "planned_at IS NOT NULL"),
            ("warned", ["owner", "requested_at", "id", "state"], "warned"),
        )
    ),
    sa.Index(
        "ix_recordings_due",
        "due_at",
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    ),
)

labels = sa.Table(
    "labels",
    metadata,
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("requested_at", _Instant, nullable=False),
    _owned("recording_id"),
    sa.PrimaryKeyConstraint("owner", "name", "value", "requested_at", "recording_id"),
    sa.Index("ix_labels_recording_id", "recording_id"),
    sqlite_with_rowid=False,
)

attempts = sa.Table(
    "attempts",
    metadata,
    _owned("recording_id"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("cname", sa.Text, nullable=False),
    sa.Column("uid", sa.BigInteger, nullable=False),
    sa.Column("sid", sa.Text),
    sa.PrimaryKeyConstraint("recording_id", "number"),
    sa.UniqueConstraint("cname", "uid"),
    sa.Index("ix_attempts_sid", "sid"),
)

# There is no foreign key, because usage is kept longer than the recording that caused it.
ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("recording_id", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("app", sa.Text, nullable=False),
    sa.Column("resolution", sa.Text, nullable=False),
    sa.Column("started_at", _Instant, nullable=False),
    sa.Column("ended_at", _Instant),  # NULL if the task is running
    sa.Column("limit_at", _Instant, nullable=False),
    _one_of("resolution", RESOLUTIONS),
    sa.PrimaryKeyConstraint("recording_id", "number"),
    # Contains all columns of a month's sum.
    sa.Index("ix_ledger_used", "owner", "started_at", "ended_at", "app", "resolution"),
    sa.Index("ix_ledger_started_at", "started_at"),
    sa.Index(
        "ix_ledger_running",
        "limit_at",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
)

notifications = sa.Table(
    "notifications",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("app", sa.Text, nullable=False),
    sa.Column("notice_id", sa.Text, nullable=False),
    sa.Column("received_at", _Instant, nullable=False),
    sa.Column("event_type", sa.Integer),
    sa.Column("sid", sa.Text),
    sa.Column("cname", sa.Text),
    sa.Column("outcome", sa.Text, nullable=False, server_default="new"),
    sa.Column("recording_id", sa.Text),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_try_at", _Instant, nullable=False, server_default="0"),
    sa.Column("body", sa.LargeBinary, nullable=False),
    _one_of("outcome", OUTCOMES),
    sa.UniqueConstraint("app", "notice_id"),
    # The index omits new rows. Sids are spread over the whole index, and each changed page delays the answer to Agora
    # (measured: 4 ms instead of 1 ms for 32 rows on SQLite).
    *(
        sa.Index(
            f"ix_notifications_{name}",
            *columns,
            sqlite_where=sa.text("outcome <> 'new'"),
            postgresql_where=sa.text("outcome <> 'new'"),
        )
        for name, columns in {"sid": ["sid"], "outcome": ["outcome", "id"], "type": ["event_type", "id"]}.items()
    ),
    sa.Index(
        "ix_notifications_new",
        "id",
        sqlite_where=sa.text("outcome = 'new'"),
        postgresql_where=sa.text("outcome = 'new'"),
    ),
    sa.Index(
        "ix_notifications_recording",
        "recording_id",
        sqlite_where=sa.text("recording_id IS NOT NULL"),
        postgresql_where=sa.text("recording_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_notifications_test",
        "app",
        "event_type",
        sqlite_where=sa.text(f"cname = '{TEST_CNAME}'"),
        postgresql_where=sa.text(f"cname = '{TEST_CNAME}'"),
    ),
    sqlite_autoincrement=True,
)

files = sa.Table(
    "files",
    metadata,
    _owned("recording_id"),
    sa.Column("key", _Bytewise, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("first_seen_at", _Instant, nullable=False),
    sa.Column("judged_at", _Instant),
    sa.Column("document", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("recording_id", "key"),
    sa.Index("ix_files_key", "key"),
)

history = sa.Table(
    "history",
    metadata,
    _owned("recording_id"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("at", _Instant, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("count", sa.Integer, nullable=False, server_default="1"),
    sa.Column("detail", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("recording_id", "number"),
    sa.Index("ix_history_at", "at"),
)

reports = sa.Table(
    "reports",
    metadata,
    _owned("recording_id"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("at", _Instant, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("recording_id", "number"),
)

# Of the newest verification with pictures: a poster and a contact sheet as JPEG, 150 KB at most.
pictures = sa.Table(
    "pictures",
    metadata,
    _owned("recording_id"),
    sa.Column("report", sa.Integer, nullable=False),
    sa.Column("poster", sa.LargeBinary, nullable=False),
    sa.Column("sheet", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("recording_id"),
)

messages = sa.Table(
    "messages",
    metadata,
    _owned("recording_id"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("at", _Instant, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger),  # its place in the feed; NULL if not yet published
    sa.PrimaryKeyConstraint("recording_id", "number"),
    sa.UniqueConstraint("id"),
    sa.UniqueConstraint("position"),
    sa.Index("ix_messages_feed", "owner", "position"),
    sa.Index("ix_messages_at", "at"),
    sa.Index(
        "ix_messages_unpublished",
        "at",
        "id",
        sqlite_where=sa.text("position IS NULL"),
        postgresql_where=sa.text("position IS NULL"),
    ),
)

# One row with the last assigned position. It is locked for publishing, so positions become visible in their order.
feed = sa.Table(
    "feed",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.CheckConstraint("id = 1", name="single"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("message_id", sa.Text, sa.ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    sa.Column("endpoint", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="pending"),
    sa.Column("at", _Instant, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_try_at", _Instant, nullable=False),
    sa.Column("last_status", sa.Integer),
    sa.Column("last_error", sa.Text),
    sa.Column("ended_at", _Instant),
    sa.Column("answer", sa.LargeBinary),  # the beginning of the body of the last answer, sealed
    sa.PrimaryKeyConstraint("message_id", "endpoint"),
    _one_of("state", DELIVERY_STATES),
    sa.Index(
        "ix_deliveries_pending",
        "endpoint",
        "next_try_at",
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    ),
    sa.Index("ix_deliveries_owner", "owner", "at", "message_id"),
    sa.Index("ix_deliveries_state", "state", "endpoint"),
)

# The state of an endpoint of the settings. An endpoint without a row works.
endpoints = sa.Table(
    "endpoints",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failing_since", _Instant),
    sa.Column("next_try_at", _Instant, nullable=False, server_default="0"),
    sa.Column("disabled_at", _Instant),
    sa.Column("last_error", sa.Text),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("request_hash", sa.Text, nullable=False),
    _owned("recording_id"),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("created_at", _Instant, nullable=False, index=True),
)

# The audit trail of callers' actions with their tokens. There is no foreign key, because it is kept longer than its
# subjects.
actions = sa.Table(
    "actions",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("at", _Instant, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("token_id", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Index("ix_actions_owner", "owner", "id"),
    sqlite_autoincrement=True,
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),  # JSON list
    sa.Column("apps", sa.Text),  # JSON list; NULL if any
    sa.Column("storages", sa.Text),
    sa.Column("created_at", _Instant, nullable=False),
    sa.Column("expires_at", _Instant),
    sa.Column("revoked_at", _Instant),
    sa.Column("last_used_at", _Instant),
)

budgets = sa.Table(
    "budgets",
    metadata,
    sa.Column("rate_group", sa.Text, primary_key=True),
    sa.Column("tat", _Instant, nullable=False),
)

deployment = sa.Table(
    "deployment",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", _Instant, nullable=False),
    sa.Column("alive_at", _Instant),  # the last activity of a worker
    sa.Column("restored_at", _Instant),  # NULL if the running tasks are known
    sa.CheckConstraint("id = 1", name="single"),
)
