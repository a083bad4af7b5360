"""Environment variables of components: which are set. Their values are in the broker, encrypted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "variables",
        sa.Column("component_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("names", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["component_id"], ["components.id"], name=op.f("fk_variables_component_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("component_id", name=op.f("pk_variables")),
        sa.UniqueConstraint("id", name=op.f("uq_variables_id")),
    )
