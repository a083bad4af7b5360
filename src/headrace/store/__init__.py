"""What people wish and what happened, in SQLite or PostgreSQL: one file per noun, plain verbs.

Every verb takes a connection first, from `headrace.store.database.Database.begin` (to write) or ``read``, and returns
frozen dataclasses. Times are milliseconds since the epoch, UTC, unless the name says otherwise.
"""
