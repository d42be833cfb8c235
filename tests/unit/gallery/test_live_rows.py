"""Which rows may be returned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assent.gallery.live_rows import LiveRows


def live(rows: LiveRows, now_s: float) -> list[int]:
    count, bits = rows.at(now_s)
    found = np.flatnonzero(np.unpackbits(bits, count=len(rows.expires_s), bitorder="little"))
    assert len(found) == count
    assert rows.rows_at(now_s).tolist() == found.tolist()
    return found.tolist()


def test_live_rows_are_those_not_ended_and_not_gone_in_any_order_of_events() -> None:
    random = np.random.default_rng(0)
    expires_s = random.choice([5.0, 7.5, 20.0, np.inf], 203)
    rows, gone, now_s = LiveRows(expires_s.copy()), np.zeros(203, np.bool_), 0.0
    for _ in range(200):
        what = random.integers(3)
        if what == 0:
            chosen = random.choice(203, random.integers(0, 4), replace=False)
            rows.end(chosen)
            gone[chosen] = True
        elif what == 1:
            now_s = float(random.uniform(0, 21))  # earlier moments are asked, too
        assert live(rows, now_s) == np.flatnonzero(~gone & (expires_s > now_s)).tolist()


def test_who_leaves_costs_a_bit_and_not_the_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = LiveRows(np.full(100, np.inf))
    rows.at(0.0)
    monkeypatch.setattr(np, "packbits", lambda *_args, **_options: pytest.fail("all bits were made anew"))
    rows.end(np.array([3, 64]))
    assert live(rows, 1.0) == [row for row in range(100) if row not in (3, 64)]


def test_rows_are_numbered_once_for_many_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = LiveRows(np.array([np.inf, 1.0, np.inf, 9.0]))
    assert rows.rows_at(2.0).tolist() == [0, 2, 3]
    with monkeypatch.context() as patched:
        patched.setattr(np, "unpackbits", lambda *_args, **_options: pytest.fail("made again"))
        assert rows.rows_at(8.0).tolist() == [0, 2, 3]
    assert rows.rows_at(9.0).tolist() == [0, 2]
    rows.end(np.array([2]))
    assert rows.rows_at(2.0).tolist() == [0, 3]  # as many, but others
    rows.end(np.array([0]))
    assert rows.rows_at(2.0).tolist() == [3]


def test_who_leaves_while_bits_are_made_is_not_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = LiveRows(np.full(20, np.inf))
    packbits = np.packbits

    def packed(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(np, "packbits", packbits)
        made = packbits(*args, **options)
        rows.end(np.array([4]))
        return made

    monkeypatch.setattr(np, "packbits", packed)
    rows.at(0.0)
    assert 4 not in live(rows, 0.0)
