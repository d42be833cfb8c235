"""New records without migrating each time: a schema that was migrated once is written out again.

Nearly two thousand tests begin with an empty store. Making its schema by five migrations takes most of a tenth of a
second, nearly all of it alembic's and SQLAlchemy's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

_VERSIONS = "alembic_version"
# Tables first, then their indexes, then triggers, which may name any of them; SQLite makes its own tables by itself.
_SCHEMA = """
    SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 ELSE 2 END, rowid
"""


@dataclass
class SchemaWriter:
    """Stands in for ``database.migrate``: an empty SQLite database gets what the migrations make of one.

    Whatever else, an older schema or PostgreSQL, is migrated. Same transaction, same end: the same tables, triggers and
    revision (``tests/unit/store/test_new_stores.py``).

    Attributes:
        migrate: the real ``database.migrate``; called once, on a database in memory.
    """

    migrate: Callable[[Connection], None]
    _statements: tuple[str, ...] = ()

    def __call__(self, connection: Connection) -> None:
        if connection.dialect.name != "sqlite" or sa.inspect(connection).get_table_names():
            self.migrate(connection)
            return
        if not self._statements:
            self._statements = self._migrated()
        for statement in self._statements:
            connection.exec_driver_sql(statement)

    def _migrated(self) -> tuple[str, ...]:
        engine = sa.create_engine("sqlite://")
        with engine.begin() as connection:
            self.migrate(connection)
            schema = connection.exec_driver_sql(_SCHEMA).scalars().all()
            tables = set(sa.inspect(connection).get_table_names())
            filled = {
                name for name in tables if connection.exec_driver_sql(f'SELECT 1 FROM "{name}"').first()
            }
            assert filled == {_VERSIONS}, f"migrations write rows to {filled}, which are not copied here"
            revision = connection.exec_driver_sql(f"SELECT version_num FROM {_VERSIONS}").scalar_one()
        engine.dispose()
        return (*schema, f"INSERT INTO {_VERSIONS} VALUES ('{revision}')")
