"""Templates that are compared as they are: in shares, and by the thread that asks alone."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from assent.gallery.candidates import Wanted, together
from assent.gallery.index import Rows
from assent.gallery.open_segment import OpenSegment
from assent.gallery.short_codes import THOROUGH, WHOLE, Share
from tests.builders import unit_templates

WANTED = Wanted(limit=50, min_score=-1.0, now_s=0.0, effort=THOROUGH)


def filled(count: int, dim: int) -> OpenSegment:
    segment = OpenSegment(dim, 2 * count)
    append(segment, count, dim)
    return segment


def append(segment: OpenSegment, count: int, dim: int) -> None:
    keys = np.array([f"k{segment.size + row}" for row in range(count)], np.bytes_)
    segment.append(Rows(keys, unit_templates(count, dim, seed=segment.size), np.full(count, np.inf)))


@pytest.mark.parametrize("dim", [64, 128, 512])
def test_all_shares_together_are_the_whole(dim: int) -> None:
    segment, probes = filled(5000, dim), unit_templates(3, dim, seed=9)
    whole = segment.near(probes, WANTED, WHOLE)
    scores = probes @ segment._templates[:5000].T
    shares = segment.shares(3, WANTED)
    assert list(shares) == [Share(number, len(shares)) for number in range(min(3, 5000 * dim // 2**17))]
    found = [segment.near(probes, WANTED, share) for share in shares]
    for at, expected in enumerate(whole):
        best = np.sort(expected.rows[np.argsort(-expected.scores)][: WANTED.limit])
        assert best.tolist() == np.sort(np.argsort(-scores[at])[: WANTED.limit]).tolist()
        assert set(best.tolist()) <= set(together([of_share[at] for of_share in found]).rows.tolist())


def test_who_comes_between_two_shares_takes_nobody_along() -> None:
    segment, [probe] = filled(5000, 128), unit_templates(1, 128, seed=9)
    expected = np.argsort(-(segment._templates[:5000] @ probe))[: WANTED.limit]
    found = []
    for share in segment.shares(3, WANTED):
        found += segment.near(probe[None], WANTED, share)
        append(segment, 1300, 128)
    assert set(expected.tolist()) <= set(together(found).rows.tolist())


SEARCHES = """
import time
import numpy as np
from assent.gallery import ExactIndex, FaissIndex

dim = {dim}
rows = np.random.default_rng(0).standard_normal((20_000, dim), dtype=np.float32)
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
index = {make}
index.add([f"k{{row}}" for row in range(len(rows))], rows, expires_s=np.full(len(rows), np.inf))
thread_s, process_s = time.thread_time(), time.process_time()
for probe in rows[:100]:
    index.search(probe[None], limit=5, min_score=0.5, now_s=0.0)
print(time.thread_time() - thread_s, time.process_time() - process_s)
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="BLAS has one thread on one core")
@pytest.mark.parametrize("make", ["ExactIndex(dim)", "FaissIndex(dim, threads=1)"])
@pytest.mark.parametrize("dim", [128, 512])
def test_one_search_keeps_one_core_busy(make: str, dim: int) -> None:
    """BLAS's own threads, which would be waited for, have nothing to do."""
    # the tests themselves keep BLAS to one thread
    env = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", SEARCHES.format(make=make, dim=dim)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    thread_s, process_s = map(float, done.stdout.split())
    assert process_s < 1.3 * thread_s + 0.02
