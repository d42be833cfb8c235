"""Between an index and its file: the same for every kind of index, since only rows are kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from assent.gallery.index import Index, Rows
from assent.gallery.snapshot import Columns, Saved, Seal, read_snapshot, write_snapshot


def save_rows(index: Index, path: Path, seal: Seal, *, prefix: str) -> Saved:
    """Write an index's rows whose keys begin with ``prefix`` (see ``Index.save``)."""

    def blocks() -> Iterator[Columns]:
        for rows in index.batches(prefix):
            yield rows.keys, rows.templates, rows.expires_s

    return write_snapshot(path, seal, blocks(), dim=index.dim)


def load_rows(index: Index, path: Path, seal: Seal, saved: Saved) -> None:
    """Add a file's rows to an index, all of it checked before (see ``Index.load``)."""
    rows = read_rows(path, seal, saved, dim=index.dim)
    index.add(rows.keys, rows.templates, expires_s=rows.expires_s)


def read_rows(path: Path, seal: Seal, saved: Saved, *, dim: int) -> Rows:
    """The rows of a file, all of it checked. Raises ``SnapshotUnusable``."""
    blocks = list(read_snapshot(path, seal, saved, dim=dim))
    keys, templates, expires_s = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return Rows(keys, templates, expires_s)
