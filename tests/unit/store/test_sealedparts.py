"""Sealed files: written as they come, read in any part, and noise once altered."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from assent.errors import StoreUnavailable
from assent.store.sealedfiles import (
    CHUNK_BYTES,
    SealedWriter,
    seal_file,
    unsealed,
    unsealed_part,
    unsealed_size,
)

KEY = bytes(range(32))


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 5]
)
def test_what_is_written_in_pieces_is_read_in_parts(tmp_path: Path, size: int) -> None:
    data, path = secrets.token_bytes(size), tmp_path / "file"
    writer = SealedWriter(path, KEY)
    for at in range(0, size, 300_000):
        writer.write(data[at : at + 300_000])
    assert writer.finish() == size == unsealed_size(path)
    assert b"".join(unsealed(path, KEY)) == data
    edges = sorted({0, 1, size // 2, size, min(CHUNK_BYTES, size), min(CHUNK_BYTES + 1, size)})
    for start in edges:
        for stop in edges:
            if start <= stop <= size:
                assert b"".join(unsealed_part(path, KEY, start, stop)) == data[start:stop], (start, stop)
    assert seal_file(tmp_path / "other", KEY, [data]) == size
    assert (tmp_path / "other").read_bytes() == path.read_bytes()


def test_what_is_cut_off_moved_or_altered_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    seal_file(path, KEY, [bytes(3 * CHUNK_BYTES)])
    sealed = path.read_bytes()
    each = CHUNK_BYTES + 16
    for wrong in (
        sealed[: 2 * each],
        sealed[each : 2 * each] + sealed[:each] + sealed[2 * each :],
        b"x" + sealed[1:],
    ):
        path.write_bytes(wrong)
        with pytest.raises(StoreUnavailable):
            list(unsealed_part(path, KEY, 0, unsealed_size(path)))
    with pytest.raises(StoreUnavailable):
        list(unsealed_part(tmp_path / "none", KEY, 0, 1))


def test_what_is_not_finished_cannot_be_read(tmp_path: Path) -> None:
    writer = SealedWriter(tmp_path / "file", KEY)
    writer.write(bytes(CHUNK_BYTES + 1))
    writer.close()
    with pytest.raises(StoreUnavailable):
        list(unsealed(tmp_path / "file", KEY))
