"""The one place where the database's and the operating system's errors become ours.

What a person can do about it is in the message; what came from below stays as the cause. Statement
parameters never appear (``hide_parameters``), since they may hold a name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy.exc

from assent.errors import (
    AlreadyExists,
    AssentError,
    NoLiveConsent,
    ReviewError,
    StoreUnavailable,
    UsageError,
    WrongPurpose,
)

# sqlite3 error names (without the extended part after the second underscore) -> what happened, what to do
_SQLITE: Final = {
    "SQLITE_FULL": "the disk is full; free some space and try again: nothing was half written",
    "SQLITE_IOERR": "the disk refused to read or write (it may be full or failing); check it and try again",
    "SQLITE_READONLY": "the file or its folder cannot be written; make both writable for this user",
    "SQLITE_PERM": "the file cannot be accessed; make it readable and writable for this user",
    "SQLITE_CANTOPEN": "the file or its folder cannot be opened; check that it exists and is writable",
    "SQLITE_BUSY": "another process kept the records locked too long; let it finish and try again",
    "SQLITE_LOCKED": "another connection kept the records locked too long; try again",
    "SQLITE_NOTADB": "the file is not an Assent database; choose another data folder or restore a backup",
    "SQLITE_CORRUPT": "the file is damaged; restore it from a backup",
}
# PostgreSQL SQLSTATE, by its longest known prefix
_POSTGRESQL: Final = {
    "08": "the server cannot be reached; check that it runs, and the URL's address, user and database",
    "28": "the server refused the user or password; check the database URL and ~/.pgpass",
    "3D000": "the database does not exist; create it with createdb",
    "42501": "the user may not do this; grant it the rights on the database",
    "25006": "the server is read-only (a standby?); use the primary",
    "53100": "the server's disk is full; free some space and try again: nothing was half written",
    "53": "the server is out of resources; try again later",
    "55P03": "another process kept the records locked too long; let it finish and try again",
    "40": "the server ended this transaction in favour of another; try again",
    "57": "the server is shutting down or cancelled the request; try again when it is up",
    "58": "the server's disk or operating system failed; see its log",
}
_REFUSALS: Final[dict[str, tuple[type[AssentError], str]]] = {
    "consent-withdrawn": (NoLiveConsent, "the consent was withdrawn; record a new one first"),
    "consent-of-another-person": (NoLiveConsent, "the consent is another person's; use this person's own"),
    "not-agreed-to-this-place": (
        NoLiveConsent,
        "this person has no live consent that names this place; ask them, and record one that does",
    ),
    "two-people-confirm": (
        ReviewError,
        "a pair is confirmed only after two people said that it shows the same person; let both judge it",
    ),
    "consent-for-another-purpose": (
        WrongPurpose,
        "the consent covers another purpose than the collection's; ask for consent to this one",
    ),
}


def _advice(error: BaseException) -> str:
    """What happened below, in words, with what to do."""
    name = getattr(error, "sqlite_errorname", None)
    if name:
        return _SQLITE.get("_".join(name.split("_")[:2]), f"SQLite says {name}")
    if isinstance(error, sqlite3.Error):
        return "SQLite cannot use the file"
    state = getattr(error, "sqlstate", None)
    if state is None:
        # psycopg reports a server that is not there without a SQLSTATE
        return _POSTGRESQL["08"]
    for length in (5, 2):
        if state[:length] in _POSTGRESQL:
            return _POSTGRESQL[state[:length]]
    return f"the server says SQLSTATE {state}"


def _refusal(error: BaseException) -> AssentError | None:
    """The typed error of a trigger's refusal, or None."""
    text = str(error)
    if "assent: " not in text:
        return None
    name = text.split("assent: ", 1)[1].split("\n")[0].split("'")[0].strip()
    kind, message = _REFUSALS.get(name, (StoreUnavailable, f"the records refused this change ({name})"))
    return kind(message)


def translate(error: BaseException, where: str) -> AssentError:
    """The error to raise for one from SQLAlchemy, a driver, or the operating system.

    Args:
        error: what was caught.
        where: the database in words, without a password.
    """
    below = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) and error.orig else error
    refusal = _refusal(below)
    if refusal is not None:
        return refusal
    if isinstance(error, sqlalchemy.exc.DataError):
        return UsageError("names and ids must be text without NUL characters, got one with; type it again")
    if isinstance(error, sqlalchemy.exc.IntegrityError):
        return AlreadyExists("the records already hold such a row, or one that this refers to is gone")
    if isinstance(below, OSError):
        return StoreUnavailable(f"cannot use the records at {where}: {below.strerror or below}")
    if isinstance(error, sqlalchemy.exc.TimeoutError):
        return StoreUnavailable(f"cannot use the records at {where}: too many transactions are open at once")
    return StoreUnavailable(f"cannot use the records at {where}: {_advice(below)}")


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise ours instead of the database's; everything else passes through."""
    try:
        yield
    except UnicodeEncodeError as error:
        # A lone surrogate, as a broken file name or terminal makes it; no driver takes it.
        raise UsageError(
            "names and ids must be valid Unicode text, got one that is not; type it again"
        ) from error
    except (sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError, sqlite3.Error) as error:
        raise translate(error, where) from error


@contextmanager
def translated_files(where: str) -> Iterator[None]:
    """Raise ours instead of the operating system's; only around our own use of files."""
    try:
        yield
    except OSError as error:
        raise translate(error, where) from error
