"""Sealed files: read back as they were, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from assent.errors import StoreUnavailable
from assent.store.sealedfiles import CHUNK_BYTES, seal_file, unsealed, unsealed_size

KEY = b"k" * 32


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_what_was_sealed_comes_back(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    path = tmp_path / "a.in"
    pieces = [content[at : at + 300_000] for at in range(0, size, 300_000)]
    assert seal_file(path, KEY, pieces) == size
    assert (unsealed_size(path), b"".join(unsealed(path, KEY))) == (size, content)
    assert path.stat().st_mode & 0o077 == 0
    assert not size or content[:32] not in path.read_bytes()


def test_what_was_changed_cut_off_moved_or_is_anothers_does_not_open(tmp_path: Path) -> None:
    path = tmp_path / "a.in"
    seal_file(path, KEY, [b"a" * (2 * CHUNK_BYTES + 5)])
    whole = path.read_bytes()
    chunk = CHUNK_BYTES + 16
    for broken in (
        whole[:-1],
        whole[: 2 * chunk],  # the last left out
        whole[chunk : 2 * chunk] + whole[:chunk] + whole[2 * chunk :],
        whole[:100] + bytes([whole[100] ^ 1]) + whole[101:],
        b"",
    ):
        path.write_bytes(broken)
        with pytest.raises(StoreUnavailable):
            list(unsealed(path, KEY))
    path.write_bytes(whole)
    with pytest.raises(StoreUnavailable):
        list(unsealed(path, b"x" * 32))
    path.unlink()
    with pytest.raises(StoreUnavailable):
        list(unsealed(path, KEY))
