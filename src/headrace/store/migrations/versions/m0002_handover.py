"""Deployments say how and why they came to be, and what their handover was like."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    json = sa.JSON(none_as_null=True)
    for column in (
        sa.Column("strategy", sa.String(), nullable=False, server_default="handover"),
        sa.Column("cause", sa.String(), nullable=False, server_default=""),
        sa.Column("author", sa.String(), nullable=False, server_default=""),
        sa.Column("note", sa.Text(), nullable=False, server_default=""),
        sa.Column("log", json, nullable=True),
        sa.Column("handover", json, nullable=True),
    ):
        op.add_column("deployments", column)
