"""Errors say which objects their message refers to, so that these are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("failures", sa.Column("objects", sa.Text(), nullable=False, server_default=""))
    op.create_index(
        "ix_failures_objects",
        "failures",
        ["flow_id"],
        unique=False,
        sqlite_where=sa.text("objects <> ''"),
        postgresql_where=sa.text("objects <> ''"),
    )
