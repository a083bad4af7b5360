"""Tests of drafts and samples of steps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    json = sa.JSON(none_as_null=True)
    op.create_table(
        "tests",
        sa.Column("flow_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=True),
        sa.Column("fetches", sa.Boolean(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("entry", json, nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ready_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("execution", sa.String(), nullable=True),
        sa.Column("result", json, nullable=True),
        sa.ForeignKeyConstraint(["flow_id"], ["flows.id"], name=op.f("fk_tests_flow_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flow_id", "number", name=op.f("pk_tests")),
    )
    unfinished = sa.text("ended_at IS NULL")
    op.create_index("ix_tests_open", "tests", ["flow_id"], sqlite_where=unfinished, postgresql_where=unfinished)
    op.create_table(
        "samples",
        sa.Column("flow_id", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("content", json, nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("execution", sa.String(), nullable=True),
        sa.Column("made_with", json, nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["flow_id"], ["flows.id"], name=op.f("fk_samples_flow_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flow_id", "step", name=op.f("pk_samples")),
    )
