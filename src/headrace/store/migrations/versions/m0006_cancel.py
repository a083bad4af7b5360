"""Deployments say who cancelled them, and versions may have a name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("deployments", sa.Column("cancelled_by", sa.String(), nullable=True))
    op.add_column("flow_versions", sa.Column("name", sa.String(), nullable=False, server_default=""))
