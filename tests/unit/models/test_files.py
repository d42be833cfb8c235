from __future__ import annotations

import errno
import hashlib
import threading
from pathlib import Path

import pytest

from assent.errors import ModelError
from assent.models.files import (
    atomic_file,
    disk_errors,
    exclusive,
    exclusive_part,
    sha256_of,
    sha256_of_file,
    write_atomically,
)


def test_hashes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    assert sha256_of(b"content") == sha256_of_file(path) == hashlib.sha256(b"content").hexdigest()


def test_an_atomic_file_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, b"first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    with pytest.raises(TypeError), atomic_file(path) as file:
        file.writelines([b"half", "not bytes"])  # type: ignore[list-item]
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EROFS, "choose a folder"),
        (errno.EACCES, "permissions"),
        (errno.EIO, "permissions"),
    ],
)
def test_what_a_disk_refuses_is_one_clear_error(tmp_path: Path, code: int, cure: str) -> None:
    with pytest.raises(ModelError) as caught, disk_errors(tmp_path, 12_000_000):
        raise OSError(code, "refused")
    assert "12 MB" in caught.value.message
    assert cure in caught.value.message
    assert "ASSENT_MODELS_DIR" in caught.value.message
    assert isinstance(caught.value.__cause__, OSError)


def test_a_folder_that_is_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="expected"):
        write_atomically(tmp_path / "file" / "inside", b"")


def test_exclusive_keeps_others_waiting(tmp_path: Path) -> None:
    order: list[str] = []
    entered = threading.Event()

    def other() -> None:
        entered.set()
        with exclusive(tmp_path):
            order.append("other")

    thread = threading.Thread(target=other)
    with exclusive(tmp_path):
        thread.start()
        entered.wait(5)
        thread.join(0.1)
        order.append("first")
    thread.join(5)
    assert order == ["first", "other"]


def test_who_waited_for_a_part_that_was_finished_gets_a_new_one(tmp_path: Path) -> None:
    dest = tmp_path / "file"
    seen: list[bytes] = []
    entered = threading.Event()

    def other() -> None:
        entered.set()
        with exclusive_part(dest) as part:
            part.seek(0)
            seen.append(part.read())

    thread = threading.Thread(target=other)
    with exclusive_part(dest) as part:
        part.write(b"whole")
        thread.start()
        entered.wait(5)
        thread.join(0.1)
        part.flush()
        (tmp_path / "file.part").replace(dest)
    thread.join(5)
    assert seen == [b""]
    assert dest.read_bytes() == b"whole"
