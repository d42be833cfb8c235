from __future__ import annotations

from assent.console.sessions import IDLE_S, LONGEST_S, Sessions
from tests.unit.console.builders import Time


def test_nobody_is_in_at_first() -> None:
    assert Sessions().find("") is None
    assert Sessions().find("guessed") is None


def test_a_session_is_found_by_its_token_only() -> None:
    sessions = Sessions()
    token, other = sessions.start("key-1"), sessions.start("key-2")
    assert token != other
    found = sessions.find(token)
    assert found is not None
    assert found.key_id == "key-1"
    assert sessions.find(token[:-1]) is None
    assert sessions.find(token.swapcase()) is None


def test_an_unused_session_ends() -> None:
    time = Time()
    sessions = Sessions(clock=time)
    token = sessions.start("key")
    time.now_s += IDLE_S - 1
    assert sessions.find(token) is not None
    time.now_s += IDLE_S
    assert sessions.find(token) is None
    time.now_s -= IDLE_S
    assert sessions.find(token) is None, "an ended session stays ended"


def test_a_used_session_ends_too() -> None:
    time = Time()
    sessions = Sessions(clock=time)
    token = sessions.start("key")
    for _ in range(int(LONGEST_S // (IDLE_S / 2)) - 1):
        time.now_s += IDLE_S / 2
        assert sessions.find(token) is not None
    time.now_s += IDLE_S / 2
    assert sessions.find(token) is None


def test_an_ended_session_is_forgotten() -> None:
    sessions = Sessions()
    token = sessions.start("key")
    sessions.end(token)
    sessions.end(token)
    assert sessions.find(token) is None


def test_dead_sessions_are_not_kept() -> None:
    time = Time()
    sessions = Sessions(clock=time)
    for _ in range(10):
        sessions.start("key")
    time.now_s += IDLE_S
    sessions.start("key")
    assert len(sessions._sessions) == 1


def test_a_note_is_said_once() -> None:
    sessions = Sessions()
    session = sessions.find(sessions.start("key"))
    assert session is not None
    for number in range(30):
        session.note(f"note {number}")
    assert session.take_notes()[-1] == "note 29"
    assert session.take_notes() == []
