"""All tables. `headrace.store.migrations` makes exactly these, in SQLite and in PostgreSQL.

Columns that end in ``_at`` are milliseconds since the epoch; ``_us`` are microseconds.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

__all__ = [
    "component_versions",
    "components",
    "credentials",
    "deployments",
    "execution_messages",
    "executions",
    "failures",
    "flow_versions",
    "flows",
    "metadata",
    "samples",
    "tests",
    "tokens",
    "trace_position",
    "variables",
]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _json() -> TypeEngine[object]:
    return JSON(none_as_null=True)


tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("prefix", String, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
    sqlite_autoincrement=True,
)

components = Table(
    "components",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("latest", Integer),
    Column("last_revision", Integer, nullable=False),
    Column("last_push", Integer, nullable=False),
    sqlite_autoincrement=True,  # an id names an operating system user, so it must not come back
)

component_versions = Table(
    "component_versions",
    metadata,
    Column("component_id", Integer, ForeignKey("components.id", ondelete="CASCADE"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("push", Integer, nullable=False),
    Column("commit", String, nullable=False),
    Column("semver", String),
    Column("author", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("committed_at", BigInteger),
    Column("pushed_at", BigInteger, nullable=False),
    Column("descriptor", _json(), nullable=False),
    Column("state", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("built_at", BigInteger),
    Column("build", _json()),
    Column("warnings", _json(), nullable=False),
    PrimaryKeyConstraint("component_id", "revision"),
    UniqueConstraint("component_id", "commit"),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", String, primary_key=True),
    Column("workspace", String, nullable=False),
    Column("name", String, nullable=False),
    Column("component_id", Integer, ForeignKey("components.id"), nullable=False),
    Column("author", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("checked_at", BigInteger),
    Column("token_until", BigInteger),
    Column("token_due_at", BigInteger),
    Column("token_failures", Integer, nullable=False),
    Column("token_error", Text, nullable=False),
    UniqueConstraint("workspace", "name"),
)

variables = Table(
    "variables",
    metadata,
    Column("component_id", Integer, ForeignKey("components.id", ondelete="CASCADE"), primary_key=True,
           autoincrement=False),
    Column("id", String, nullable=False, unique=True),
    Column("edition", Integer, nullable=False),
    Column("names", _json(), nullable=False),
    Column("author", String, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)  # fmt: skip

flows = Table(
    "flows",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("workspace", String, nullable=False),
    Column("type", String, nullable=False),
    Column("wish", String, nullable=False),
    Column("draft", Text),
    Column("draft_tag", Integer, nullable=False),
    Column("draft_at", BigInteger),
    Column("draft_author", String),
    Column("version", Integer),
    Column("epoch", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("workspace", "name"),
)

flow_versions = Table(
    "flow_versions",
    metadata,
    Column("flow_id", String, ForeignKey("flows.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Column("author", String, nullable=False),
    Column("note", Text, nullable=False),
    Column("name", String, nullable=False, server_default=""),
    Column("published_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("flow_id", "number"),
)

deployments = Table(
    "deployments",
    metadata,
    Column("flow_id", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("resolved", _json(), nullable=False),
    Column("state", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("ready_at", BigInteger),
    Column("live_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("ready_ms", Integer),
    Column("steps", _json(), nullable=False),
    Column("worker", _json()),
    Column("restarts", Integer, nullable=False),
    Column("strategy", String, nullable=False, server_default="handover"),
    Column("cause", String, nullable=False, server_default=""),
    Column("author", String, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    Column("log", _json()),
    Column("handover", _json()),
    Column("cancelled_by", String),
    PrimaryKeyConstraint("flow_id", "epoch"),
    ForeignKeyConstraint(["flow_id"], ["flows.id"], ondelete="CASCADE"),
    Index("ix_deployments_active", "flow_id", sqlite_where=text("state NOT IN ('stopped', 'failed')"),
          postgresql_where=text("state NOT IN ('stopped', 'failed')")),
)  # fmt: skip

tests = Table(
    "tests",
    metadata,
    Column("flow_id", String, ForeignKey("flows.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("form", String, nullable=False),
    Column("step", String),
    Column("fetches", Boolean, nullable=False),
    Column("document", Text, nullable=False),
    Column("entry", _json(), nullable=False),
    Column("author", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("key", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("ready_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("execution", String),
    Column("result", _json()),
    PrimaryKeyConstraint("flow_id", "number"),
    Index("ix_tests_open", "flow_id", sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL")),
)

samples = Table(
    "samples",
    metadata,
    Column("flow_id", String, ForeignKey("flows.id", ondelete="CASCADE"), nullable=False),
    Column("step", String, nullable=False),
    Column("content", _json(), nullable=False),
    Column("source", String, nullable=False),
    Column("execution", String),
    Column("made_with", _json(), nullable=False),
    Column("author", String, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("flow_id", "step"),
)

# What the recorder writes has no foreign keys: facts may come in any order, and after their flow is gone.

executions = Table(
    "executions",
    metadata,
    Column("id", String, primary_key=True),
    Column("flow_id", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("open", BigInteger, nullable=False),
    Column("balance", BigInteger, nullable=False),
    Column("entered", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("rerun_of", String),
    Column("incomplete", Boolean, nullable=False),
    Index(None, "started_at", "id"),
    Index(None, "flow_id", "started_at", "id"),
    Index("ix_executions_idle", "flow_id", "last_at", "due_at", sqlite_where=text("state = 'running'"),
          postgresql_where=text("state = 'running'")),
    Index("ix_executions_running", "started_at", "id", sqlite_where=text("state = 'running'"),
          postgresql_where=text("state = 'running'")),
    Index("ix_executions_failed", "started_at", "id", sqlite_where=text("state = 'failed'"),
          postgresql_where=text("state = 'failed'")),
)  # fmt: skip

execution_messages = Table(
    "execution_messages",
    metadata,
    Column("execution_id", String, nullable=False),
    Column("message_id", String, nullable=False),
    Column("step", String, nullable=False),
    Column("slot", SmallInteger, nullable=False),
    Column("parent", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("outputs", Integer, nullable=False),
    Column("wait_us", BigInteger, nullable=False),
    Column("map_us", BigInteger, nullable=False),
    Column("call_us", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    PrimaryKeyConstraint("execution_id", "message_id", "step", "slot"),
    # slot: -1 the message entered, 0 it was processed, n its n-th attempt was delayed. A fact told twice is one row.
    sqlite_with_rowid=False,  # the key is the only way in, so it is the table
)

failures = Table(
    "failures",
    metadata,
    Column("id", String, primary_key=True),
    Column("execution_id", String, nullable=False),
    Column("flow_id", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("step", String, nullable=False),
    Column("message_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("stack", Text, nullable=False),
    Column("reason", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("envelope", LargeBinary),
    Column("retried_as", String),
    Column("objects", Text, nullable=False, server_default=""),
    Index(None, "flow_id", "at", "id"),
    Index(None, "at", "id"),
    Index(None, "execution_id"),
    Index("ix_failures_open", "flow_id", sqlite_where=text("state = 'open'"),
          postgresql_where=text("state = 'open'")),
    Index("ix_failures_objects", "flow_id", sqlite_where=text("objects <> ''"),
          postgresql_where=text("objects <> ''")),
)  # fmt: skip

trace_position = Table(
    "trace_position",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("stream", String, nullable=False),
    Column("seq", BigInteger, nullable=False),
)
