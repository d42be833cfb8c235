"""Reading model files: what is used is what was expected, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assent.errors import ModelCorrupt, ModelError, ModelMissing
from assent.models.files import sha256_of, sha256_of_file


def read_checked(path: Path, sha256: str, model: str) -> bytes:
    """A file's content, if its hash is right; the bytes that were hashed are the bytes that are returned.

    Args:
        path: the file.
        sha256: what it must have.
        model: the name that messages tell the user to pull.

    Raises:
        ModelMissing: there is no such file.
        ModelCorrupt: its hash is another.
        ModelError: it cannot be read.
    """
    with _read_errors(path, model):
        data = path.read_bytes()
    _expect_hash(path, sha256, sha256_of(data), model)
    return data


def check_file(path: Path, sha256: str, model: str) -> None:
    """Like ``read_checked``, for a file whose content is not needed."""
    with _read_errors(path, model):
        got = sha256_of_file(path)
    _expect_hash(path, sha256, got, model)


@contextmanager
def _read_errors(path: Path, model: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelMissing(
            f"{model}: expected {path}, got no such file; run: assent models pull {model}"
        ) from error
    except OSError as error:
        raise ModelError(
            f"{model}: expected to read {path}, got: {error.strerror or error}; check its permissions."
        ) from error


def _expect_hash(path: Path, sha256: str, got: str, model: str) -> None:
    if got != sha256:
        raise ModelCorrupt(
            f"{path}: expected sha256 {sha256}, got {got}; the file was changed or damaged. "
            f"Run: assent models pull {model} --force"
        )
