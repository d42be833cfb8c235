"""How an index that Milvus searches ends, and is tidied meanwhile: nothing of it is left in Milvus."""

from __future__ import annotations

import atexit
import threading
import weakref
from functools import cache
from typing import Final, Protocol

from assent.errors import IndexUnavailable
from assent.gallery.milvus_server import Collection, MilvusServer

_LONGEST_WAIT_S: Final = 600.0


class Leaving(Protocol):
    """The index, as far as it is asked here."""

    def leave(self) -> bool:
        """Close; whether Milvus answered, or was not asked."""

    def tidy(self) -> None:
        """Have what Milvus still holds of those who left made unreadable.

        Raises:
            IndexUnavailable: Milvus does not answer.
        """

    def has_tidied(self) -> bool:
        """Whether there is nothing left to do."""


in_use: weakref.WeakSet[Leaving] = weakref.WeakSet()


@cache
def close_at_exit() -> None:
    """A process that ends without closing its data folders leaves nothing in a Milvus that answers."""
    atexit.register(close_all)


def close_all() -> None:
    """Leave every index that is still there, until Milvus does not answer."""
    for index in list(in_use):
        if not index.leave():
            return


def drop_all(server: MilvusServer, collections: list[Collection], over: threading.Event) -> bool:
    """Whether Milvus answered; what it did not drop, a later process does."""
    over.set()
    return server.drop_all(collections)


def drop_soon(server: MilvusServer, collections: list[Collection], over: threading.Event) -> None:
    """Elsewhere: an index ends wherever its last user lets go, which may hold locks."""
    over.set()
    server.drop_soon(collections)


def tidy_later(index: weakref.ref[Leaving], over: threading.Event, after_s: float) -> None:
    """Tidy an index, which may end meanwhile; again later where Milvus does not answer."""
    wait_s = after_s
    while not over.wait(wait_s):
        held = index()
        if held is None:
            return
        try:
            held.tidy()
            wait_s = after_s
        except IndexUnavailable:
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        if held.has_tidied():
            return
        del held
