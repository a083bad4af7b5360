"""What Alembic runs: the migrations, on the connection it was given, in that connection's transaction."""

from __future__ import annotations

from alembic import context

from headrace.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
