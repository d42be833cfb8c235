"""Who is signed in: opaque tokens that mean something only in this process's memory.

Nothing about the session is in the cookie, so that it cannot be forged or kept: signing out, a revoked key, the end of
its time or a restart of the server end it for good.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

IDLE_S = 30 * 60
"""A session that is not used for so long ends: half an hour."""
LONGEST_S = 12 * 60 * 60
"""A session ends after so long, used or not: a working day."""
_TOKEN_BYTES = 32
_MAX_NOTES = 20


@dataclass(slots=True)
class Session:
    """One person at one browser.

    Attributes:
        key_id: the access key they signed in with.
        started_s: when, on the sessions' clock.
        seen_s: the last request.
        notes: what to say on the next page, once.
    """

    key_id: str
    started_s: float
    seen_s: float
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Say ``text`` on the next page."""
        self.notes = [*self.notes, text][-_MAX_NOTES:]

    def take_notes(self) -> list[str]:
        """What is to be said now, and no more after."""
        notes, self.notes = self.notes, []
        return notes


class Sessions:
    """The sessions of one console.

    Args:
        clock: seconds that only grow.
        idle_s: see ``IDLE_S``.
        longest_s: see ``LONGEST_S``.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        idle_s: float = IDLE_S,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._clock = clock
        self._idle_s = idle_s
        self._longest_s = longest_s
        self._sessions: dict[bytes, Session] = {}
        self._lock = threading.Lock()

    def start(self, key_id: str) -> str:
        """Begin a session of an authenticated key; returns the token for its cookie."""
        token, now_s = new_token(), self._clock()
        with self._lock:
            self._sessions = {key: one for key, one in self._sessions.items() if self._is_alive(one, now_s)}
            self._sessions[_digest(token)] = Session(key_id, now_s, now_s)
        return token

    def find(self, token: str, *, is_click: bool = True) -> Session | None:
        """The live session of a token, from now on seen now; None for any other text.

        Args:
            token: of the cookie.
            is_click: whether somebody did something; what a page asks for by itself keeps no session alive.
        """
        now_s = self._clock()
        with self._lock:
            session = self._sessions.get(_digest(token))
            if session is None:
                return None
            if not self._is_alive(session, now_s):
                del self._sessions[_digest(token)]
                return None
            session.seen_s = now_s if is_click else session.seen_s
            return session

    def end(self, token: str) -> None:
        """Forget a session, if there is one."""
        with self._lock:
            self._sessions.pop(_digest(token), None)

    def _is_alive(self, session: Session, now_s: float) -> bool:
        return now_s - session.seen_s < self._idle_s and now_s - session.started_s < self._longest_s


def new_token() -> str:
    """256 random bits as text for a cookie."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def _digest(token: str) -> bytes:
    # Looked up by hash: how long a look-up takes says nothing about the tokens there are.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
