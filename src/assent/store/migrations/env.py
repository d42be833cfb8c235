"""What alembic runs: the revisions, on the connection and in the transaction that it is handed."""

from __future__ import annotations

from alembic import context

from assent.store.schema import metadata

# batch mode: SQLite cannot alter a column, so alembic copies the table
context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
context.run_migrations()
