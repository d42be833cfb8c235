"""What every index must do; each implementation runs through the same tests."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assent.errors import IndexUnavailable, SnapshotUnusable, UsageError
from assent.gallery import ExactIndex, FaissIndex, Hit, Index, MilvusIndex, Saved, Seal
from tests.builders import near, unit_templates
from tests.milvus import shared_server

NEVER = np.inf


def small_faiss(dim: int) -> Index:
    """What is small to it: compared as it is."""
    return FaissIndex(dim, threads=2)


def coded_faiss(dim: int) -> Index:
    """Coded from the first rows on, many segments, templates in memory."""
    return FaissIndex(dim, threads=2, open_rows=16, max_rows=64)


def milvus(dim: int) -> Index:
    """Templates in memory here, one segment after another."""
    return MilvusIndex(dim, server=shared_server(), open_rows=16)


HERE: list[Callable[[int], Index]] = [ExactIndex, small_faiss, coded_faiss]
# one process of the suite loads pymilvus, not all
IN_MILVUS = pytest.mark.xdist_group("milvus")


@pytest.fixture(params=[*HERE, pytest.param(milvus, marks=IN_MILVUS)])
def make(request: pytest.FixtureRequest) -> Callable[[int], Index]:
    return request.param  # type: ignore[no-any-return]


def filled(make: Callable[[int], Index], n: int, dim: int = 16) -> tuple[Index, np.ndarray]:
    index, rows = make(dim), unit_templates(n, dim)
    index.add([f"k{i}" for i in range(n)], rows, expires_s=np.full(n, NEVER))
    return index, rows


def keys(hits: tuple[Hit, ...]) -> list[str]:
    return [hit.key for hit in hits]


def test_an_empty_index_answers_with_nothing(make: Callable[[int], Index]) -> None:
    index = make(16)
    assert len(index) == 0
    assert index.search(unit_templates(2, 16), limit=3, min_score=-1, now_s=0) == [(), ()]
    assert index.search(np.zeros((0, 16), np.float32), limit=3, min_score=-1, now_s=0) == []


def test_a_template_is_found_at_once_and_not_after_removal(make: Callable[[int], Index]) -> None:
    index, rows = filled(make, 50)
    [hits] = index.search(rows[7:8], limit=1, min_score=0.99, now_s=0)
    assert keys(hits) == ["k7"]
    assert hits[0].score == pytest.approx(1.0, abs=1e-5)
    assert "k7" in index
    index.remove(["k7"])
    assert "k7" not in index
    assert len(index) == 49
    assert index.search(rows[7:8], limit=1, min_score=0.99, now_s=0) == [()]


def test_a_score_equal_to_the_threshold_is_a_match(make: Callable[[int], Index]) -> None:
    index = make(4)
    probe = np.array([[1, 0, 0, 0]], np.float32)
    index.add(["a"], np.array([[0.5, 0.5, 0.5, 0.5]], np.float32), expires_s=np.array([NEVER]))
    assert keys(index.search(probe, limit=1, min_score=0.5, now_s=0)[0]) == ["a"]
    assert index.search(probe, limit=1, min_score=np.nextafter(0.5, 1), now_s=0) == [()]


def test_equal_scores_come_in_the_order_of_their_keys(make: Callable[[int], Index]) -> None:
    index, row = make(8), unit_templates(1, 8)
    for name in ["c", "a", "b"]:
        index.add([name], row, expires_s=np.array([NEVER]))
    assert keys(index.search(row, limit=2, min_score=-1, now_s=0)[0]) == ["a", "b"]


def test_expired_consent_is_filtered_inside_the_search(make: Callable[[int], Index]) -> None:
    """The best are expired; k results are still k allowed results."""
    index = make(16)
    probe = unit_templates(1, 16)[0]
    rows = np.stack([near(probe, cosine=0.9 - i / 20, seed=i + 1) for i in range(6)])
    index.add(list("abcdef"), rows, expires_s=np.array([10.0, 10, 10, 20, 20, NEVER]))
    assert keys(index.search(probe[None], limit=2, min_score=-1, now_s=9.9)[0]) == ["a", "b"]
    assert keys(index.search(probe[None], limit=2, min_score=-1, now_s=10.0)[0]) == ["d", "e"]
    assert keys(index.search(probe[None], limit=2, min_score=-1, now_s=30.0)[0]) == ["f"]


@pytest.mark.parametrize(
    ("templates", "what"),
    [
        pytest.param(unit_templates(1, 8), r"\(N, 16\) float32, got \(1, 8\)", id="wrong dimension"),
        pytest.param(unit_templates(1, 16)[0], r"got \(16,\)", id="not a matrix"),
        pytest.param(np.full((1, 16), np.nan, np.float32), "finite", id="NaN"),
        pytest.param(np.full((1, 16), np.inf, np.float32), "finite", id="infinite"),
        pytest.param(np.ones((1, 16), np.float32), "norm of 4", id="not unit"),
    ],
)
def test_bad_templates_are_refused_and_change_nothing(
    make: Callable[[int], Index], templates: np.ndarray, what: str
) -> None:
    index, rows = filled(make, 3)
    with pytest.raises(UsageError, match=what):
        index.add(["new"], templates, expires_s=np.array([NEVER]))
    with pytest.raises(UsageError, match=what):
        index.search(templates, limit=1, min_score=0, now_s=0)
    assert len(index) == 3
    assert keys(index.search(rows[:1], limit=1, min_score=0.9, now_s=0)[0]) == ["k0"]


def test_keys_are_held_once_and_only_held_keys_are_removed(make: Callable[[int], Index]) -> None:
    index, rows = filled(make, 3)
    with pytest.raises(UsageError, match="'k1' came again"):
        index.add(["k1"], rows[:1], expires_s=np.array([NEVER]))
    with pytest.raises(UsageError, match="came again"):
        index.add(["x", "x"], rows[:2], expires_s=np.full(2, NEVER))
    with pytest.raises(UsageError, match="not held"):
        index.remove(["k0", "zzz"])
    with pytest.raises(UsageError, match="one length"):
        index.add(["y"], rows[:2], expires_s=np.full(2, NEVER))
    with pytest.raises(UsageError, match="NaN"):
        index.add(["y"], rows[:1], expires_s=np.array([np.nan]))
    with pytest.raises(UsageError, match="limit"):
        index.search(rows[:1], limit=0, min_score=0, now_s=0)
    assert len(index) == 3


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 40),
    limit=st.integers(1, 12),
    min_score=st.floats(-1, 1),
    now_s=st.sampled_from([0.0, 1.0, 2.0]),
    removed=st.sets(st.integers(0, 39)),
    seed=st.integers(0, 9),
)
@pytest.mark.parametrize("implementation", [*HERE, pytest.param(milvus, marks=[IN_MILVUS, pytest.mark.slow])])
def test_it_agrees_with_a_plain_loop(
    implementation: Callable[[int], Index],
    n: int,
    limit: int,
    min_score: float,
    now_s: float,
    removed: set[int],
    seed: int,
) -> None:
    rows, probe = unit_templates(n, 8, seed=seed), unit_templates(1, 8, seed=99)[0]
    expires = np.random.default_rng(seed).choice([1.0, 2.0, NEVER], n)
    index = implementation(8)
    index.add([f"k{i:02}" for i in range(n)], rows, expires_s=expires)
    index.remove([f"k{i:02}" for i in removed if i < n])
    [hits] = index.search(probe[None], limit=limit, min_score=min_score, now_s=now_s)

    expected = []
    for i in range(n):
        score = float(sum(float(a) * float(b) for a, b in zip(rows[i], probe, strict=True)))
        if i not in removed and expires[i] > now_s and score >= min_score:
            expected.append((-score, f"k{i:02}"))
    assert keys(hits) == [key for _, key in sorted(expected)][:limit]


SEAL = Seal(bytes(range(32)), {"collection": "c-1", "model": "m-1", "epoch": 7})


@pytest.fixture
def saved_index(make: Callable[[int], Index], tmp_path: Path) -> tuple[Index, Path, Saved]:
    index, _ = filled(make, 100)
    path = tmp_path / "index.snapshot"
    return index, path, index.save(path, SEAL)


def test_saved_and_loaded_it_answers_as_before(
    make: Callable[[int], Index], saved_index: tuple[Index, Path, Saved]
) -> None:
    index, path, saved = saved_index
    again = make(16)
    again.load(path, SEAL, saved)
    again.verify()
    probes = unit_templates(5, 16, seed=3)
    options = {"limit": 7, "min_score": -1.0, "now_s": 0.0}
    assert saved.count == len(again) == 100
    assert again.search(probes, **options) == index.search(probes, **options)  # type: ignore[arg-type]
    assert [path] == list(path.parent.iterdir())
    assert path.stat().st_mode & 0o777 == 0o600


def test_only_keys_with_the_prefix_are_saved(make: Callable[[int], Index], tmp_path: Path) -> None:
    index, _ = filled(make, 100)
    saved = index.save(tmp_path / "part", SEAL, prefix="k7")
    again = make(16)
    again.load(tmp_path / "part", SEAL, saved)
    assert saved.count == 11
    assert "k7" in again
    assert "k8" not in again


def test_nothing_of_a_template_is_readable_in_the_file(saved_index: tuple[Index, Path, Saved]) -> None:
    index, path, _ = saved_index
    content = path.read_bytes()
    for rows in index.batches():
        assert len(rows.keys) < 4 or rows.keys[:4].tobytes() not in content
        for template in rows.templates:
            assert template.tobytes()[:16] not in content


def altered(content: bytes, how: str) -> bytes:
    return {
        "truncated": content[:-40],
        "empty": b"",
        "one byte changed": content[:500] + bytes([content[500] ^ 1]) + content[501:],
        "another file": b"something else " * 40,
    }[how]


@pytest.mark.parametrize("how", ["truncated", "empty", "one byte changed", "another file"])
@pytest.mark.parametrize("is_digest_known", [True, False])
def test_a_damaged_snapshot_is_refused_and_changes_nothing(
    make: Callable[[int], Index],
    saved_index: tuple[Index, Path, Saved],
    how: str,
    is_digest_known: bool,
) -> None:
    """With the file's own digest too: then the encryption refuses it."""
    _, path, saved = saved_index
    content = altered(path.read_bytes(), how)
    path.write_bytes(content)
    if is_digest_known:
        saved = Saved(saved.count, hashlib.sha256(content).hexdigest())
    target, rows = filled(make, 3)
    with pytest.raises(SnapshotUnusable, match="made anew from the records"):
        target.load(path, SEAL, saved)
    assert len(target) == 3
    assert keys(target.search(rows[:1], limit=1, min_score=0.9, now_s=0)[0]) == ["k0"]


@pytest.mark.parametrize(
    "seal",
    [
        Seal(bytes(32), SEAL.facts),
        Seal(SEAL.key, {**SEAL.facts, "model": "m-2"}),
        Seal(SEAL.key, {**SEAL.facts, "collection": "c-2"}),
        Seal(SEAL.key, {**SEAL.facts, "epoch": 8}),
    ],
    ids=["key", "model", "collection", "epoch"],
)
def test_a_snapshot_of_something_else_is_refused(
    make: Callable[[int], Index], saved_index: tuple[Index, Path, Saved], seal: Seal
) -> None:
    _, path, saved = saved_index
    with pytest.raises(SnapshotUnusable, match="of another index"):
        make(16).load(path, seal, saved)
    with pytest.raises(SnapshotUnusable, match="of another index"):
        make(8).load(path, SEAL, saved)
    with pytest.raises(SnapshotUnusable, match="another number"):
        make(16).load(path, SEAL, Saved(99, saved.sha256))
    with pytest.raises(SnapshotUnusable, match="No such file"):
        make(16).load(path.with_name("gone"), SEAL, saved)


def test_a_full_disk_leaves_what_was_there(
    saved_index: tuple[Index, Path, Saved], monkeypatch: pytest.MonkeyPatch, make: Callable[[int], Index]
) -> None:
    index, path, saved = saved_index
    saving, flush = threading.current_thread(), os.fsync

    def full(descriptor: int) -> None:
        if threading.current_thread() is not saving:  # a Milvus of this process has threads that flush, too
            return flush(descriptor)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(IndexUnavailable, match="No space left on device"):
            index.save(path, SEAL)
    assert list(path.parent.iterdir()) == [path]
    make(16).load(path, SEAL, saved)
    assert len(index.search(unit_templates(1, 16), limit=3, min_score=-1, now_s=0)[0]) == 3


@pytest.mark.parametrize("num_live", [1, 3, 50, 200])
def test_k_results_are_k_allowed_results_at_any_selectivity(
    make: Callable[[int], Index], num_live: int
) -> None:
    rows = unit_templates(200, 16)
    expires = np.full(200, 1.0)
    live = np.random.default_rng(1).choice(200, num_live, replace=False)
    expires[live] = NEVER
    index = make(16)
    index.add([f"k{i}" for i in range(200)], rows, expires_s=expires)
    for probe in unit_templates(4, 16, seed=5):
        [hits] = index.search(probe[None], limit=10, min_score=-1, now_s=1.0)
        expected = live[np.argsort(-(rows[live] @ probe))][:10]
        assert keys(hits) == [f"k{i}" for i in expected]
    assert index.num_live(0.0) == 200
    assert index.num_live(1.0) == num_live


@pytest.mark.parametrize("dim", [5, 128, 512])
def test_a_batch_is_answered_as_its_probes_one_by_one(make: Callable[[int], Index], dim: int) -> None:
    index, _ = filled(make, 60, dim)
    probes = unit_templates(9, dim, seed=2)
    options = {"limit": 4, "min_score": -0.2, "now_s": 0.0}
    together = index.search(probes, **options)  # type: ignore[arg-type]
    assert together == [index.search(probe[None], **options)[0] for probe in probes]  # type: ignore[arg-type]


def test_it_is_changed_while_it_is_searched(make: Callable[[int], Index]) -> None:
    """Whoever stays is found by every search; whoever went before a search is not."""
    index, rows = filled(make, 40)
    coming = unit_templates(60, 16, seed=8)
    failures: list[str] = []
    is_over = threading.Event()

    def search() -> None:
        while not is_over.is_set():
            [hits] = index.search(rows[:1], limit=1, min_score=0.99, now_s=0)
            if keys(hits) != ["k0"]:
                failures.append(str(hits))

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i, template in enumerate(coming):
        index.add([f"new{i}"], template[None], expires_s=np.array([NEVER]))
        assert f"new{i}" in keys(index.search(template[None], limit=1, min_score=0.99, now_s=0)[0])
        if i % 2:
            index.remove([f"new{i}"])
            assert index.search(template[None], limit=1, min_score=0.99, now_s=0) == [()]
    is_over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(index) == 70
    index.verify()
    assert {key.decode() for part in index.batches() for key in part.keys} >= {"k0", "k39", "new58"}
