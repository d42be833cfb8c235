"""The schema's history. Revisions are listed here so that opening a store need not load alembic."""

from __future__ import annotations

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
HEAD = REVISIONS[-1]
