"""Adds columns to find recordings by their planned start and their warnings, and to keep the last answer to a delivery.

For existing recordings, the warnings are taken from the reports in their rows.
"""

from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_AT_ONCE = 500


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("answer", sa.LargeBinary(), nullable=True))
    op.add_column("recordings", sa.Column("planned_at", sa.Double(), nullable=True))
    op.add_column("recordings", sa.Column("warned", sa.Boolean(), server_default=sa.false(), nullable=False))
    _fill()
    op.drop_index("ix_recordings_state", "recordings")
    op.create_index("ix_recordings_state", "recordings", ["state", "owner"], unique=False)
    op.create_index(
        "ix_recordings_planned",
        "recordings",
        ["owner", "planned_at", "id"],
        unique=False,
        sqlite_where=sa.text("planned_at IS NOT NULL"),
        postgresql_where=sa.text("planned_at IS NOT NULL"),
    )
    op.create_index(
        "ix_recordings_warned",
        "recordings",
        ["owner", "requested_at", "id", "state"],
        unique=False,
        sqlite_where=sa.text("warned"),
        postgresql_where=sa.text("warned"),
    )


def _fill() -> None:
    connection = op.get_bind()
    table = sa.table(
        "recordings",
        sa.column("id", sa.Text()),
        sa.column("state", sa.Text()),
        sa.column("document", sa.Text()),
        sa.column("planned_at", sa.Double()),
        sa.column("warned", sa.Boolean()),
    )
    after = ""
    while True:
        query = sa.select(table.c.id, table.c.state, table.c.document).where(table.c.id > after)
        rows = connection.execute(query.order_by(table.c.id).limit(_AT_ONCE)).all()
        for row in rows:
            values = _values(row.state, orjson.loads(row.document))
            if values:
                connection.execute(table.update().where(table.c.id == row.id).values(values))
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].id


def _values(state: str, document: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the new columns for a row, or an empty mapping if they equal the columns' defaults."""
    values: dict[str, Any] = {}
    if state == "requested" and document.get("start_at") is not None:
        values["planned_at"] = document["start_at"]
    report = document.get("latest_report") or {}
    codes = [each["code"] for each in report.get("findings", ()) if each["severity"] == "warning"]
    if codes and report["verdict"] != "unreachable":
        known = {"warned": list(dict.fromkeys(codes)), "warned_level": report["level"]}
        values |= {"warned": True, "document": orjson.dumps(document | known).decode()}
    return values
