"""Templates are compared by the thread that asks."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from assent.gallery.index import SCORE_ERROR, compared, rows_at_once
from tests.builders import unit_templates


@pytest.mark.parametrize(("count", "dim"), [(0, 128), (1, 5), (2500, 128), (2 * rows_at_once(512), 512)])
def test_each_template_is_compared(count: int, dim: int) -> None:
    templates, [probe] = unit_templates(count, dim), unit_templates(1, dim, seed=1)
    exact = templates.astype(np.float64) @ probe.astype(np.float64)
    assert np.allclose(compared(templates, probe), exact, rtol=0, atol=SCORE_ERROR)


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
