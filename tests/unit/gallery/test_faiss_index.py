"""What only the large index does: codes, segments, templates on the disk, memory said before it starts."""

from __future__ import annotations

import builtins
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.spread import Templates

from assent.errors import IndexUnavailable, NotEnoughMemory, UsageError
from assent.gallery import ExactIndex, FaissIndex, faiss_index
from assent.gallery.candidates import Found, Near, best_of
from assent.gallery.coded_segment import CodedSegment
from assent.gallery.originals import FileOriginals, RowCipher, read_together
from assent.gallery.segments import Segment, read_rows
from assent.gallery.short_codes import WHOLE, Effort, Share, ShortCodes, faiss
from assent.types import Float32, Int64
from tests.builders import unit_templates

FLOOR = 0.934


def best(index: FaissIndex, probe: Float32) -> list[str]:
    """The key of the nearest template."""
    return [hit.key for hit in index.search(probe[None], limit=1, min_score=0.5, now_s=0.0)[0]]


def names(count: int, start: int = 0) -> list[str]:
    return [f"k{i:06}" for i in range(start, start + count)]


@pytest.mark.parametrize("worth_a_thread", [1, faiss_index._WORTH_A_THREAD])
def test_it_agrees_with_exact_near_the_floor(
    worth_a_thread: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On mated searches that just reach the threshold, where codes would lose first; in one thread, and in two."""
    monkeypatch.setattr(faiss_index, "_WORTH_A_THREAD", worth_a_thread)
    drawn = Templates()
    rows = drawn.draw(50_000)
    probes = drawn.mates(rows[:200], FLOOR, 0.95)
    index, exact = FaissIndex(128, folder=tmp_path, threads=2, max_rows=40_000), ExactIndex(128)
    for each in (index, exact):
        each.add(names(len(rows)), rows, expires_s=np.full(len(rows), np.inf))
    options = {"limit": 10, "min_score": FLOOR, "now_s": 0.0}
    assert index.search(probes, **options) == exact.search(probes, **options)  # type: ignore[arg-type]
    index.verify()
    assert index.memory_bytes - index._open.memory_bytes < 200 * len(rows)


def test_the_likeliest_are_read_first_and_save_reading_most_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = Templates()
    rows = drawn.draw(50_000)
    index = FaissIndex(128, folder=tmp_path, threads=1)
    index.add(names(len(rows)), rows, expires_s=np.full(len(rows), np.inf))
    num_read: list[int] = []
    num_possible: list[int] = []

    def counted(parts: Sequence[tuple[Segment, Int64]]) -> Found:
        num_read.extend(len(rows) for _, rows in parts)
        return read_rows(parts)

    def noted(parts: Sequence[Near], limit: int) -> list[Near]:
        kept = best_of(parts, limit)
        num_possible.append(sum(len(part.rows) for part in kept))
        return kept

    monkeypatch.setattr(faiss_index, "read_rows", counted)
    monkeypatch.setattr(faiss_index, "best_of", noted)
    for probe in drawn.mates(rows[:200], FLOOR, 0.95):
        index.search(probe[None], limit=10, min_score=0.8, now_s=0.0)
    assert sum(num_possible) > 3 * 200 * 10
    assert 200 * 10 <= sum(num_read) < 0.6 * sum(num_possible)


def test_a_file_that_lost_its_end_is_noticed(tmp_path: Path) -> None:
    index, rows = FaissIndex(16, folder=tmp_path, threads=1, open_rows=10), unit_templates(100, 16)
    index.add(names(100), rows, expires_s=np.full(100, np.inf))
    [segment] = [s for s in index._segments if isinstance(s, CodedSegment)]
    os.truncate(segment.originals._file.fileno(), 50 * 64 + 7)  # type: ignore[attr-defined]
    assert best(index, rows[3]) == ["k000003"]
    with pytest.raises(IndexUnavailable, match="cut short; make it anew"):
        best(index, rows[97])


def test_mates_are_drawn_where_photographs_are() -> None:
    """A second photograph is not a first one with something added: it would be farther from the mean than any."""
    drawn = Templates()
    rows = drawn.draw(4000)
    mates, mean = drawn.mates(rows, FLOOR, 0.95), rows.mean(axis=0)
    cosines = np.sum(rows * mates, axis=1)
    assert FLOOR - 1e-5 <= cosines.min() < cosines.max() <= 0.95 + 1e-5
    far, mates_far = (np.linalg.norm(each - mean, axis=1).mean() for each in (rows, mates))
    assert mates_far == pytest.approx(far, rel=0.02)


def test_small_segments_are_merged_and_what_went_is_left_out(tmp_path: Path) -> None:
    index = FaissIndex(16, folder=tmp_path, threads=1, open_rows=100, max_rows=4000)
    rows = unit_templates(2000, 16)
    for start in range(0, 2000, 50):
        index.add(names(50, start), rows[start : start + 50], expires_s=np.full(50, np.inf))
        index.remove(names(1, start))
        index.settle()
    assert len(index) == 1960
    assert len(index._segments) < 10
    found = index.search(rows[51:52], limit=1, min_score=0.99, now_s=0)[0]
    assert [hit.key for hit in found] == ["k000051"]
    assert index.search(rows[50:51], limit=1, min_score=0.9999, now_s=0) == [()]
    index.verify()


def test_too_little_memory_is_said_before_it_starts() -> None:
    index = FaissIndex(16, threads=1, open_rows=10, memory=lambda: 1000)
    index.add(["first"], unit_templates(1, 16), expires_s=np.array([np.inf]))
    with pytest.raises(NotEnoughMemory, match=r"need about .* GB of memory, 0\.0 GB can be had") as caught:
        index.add(names(100), unit_templates(100, 16, seed=1), expires_s=np.full(100, np.inf))
    assert caught.value.needed_bytes > 1000
    assert len(index) == 1


def test_templates_on_the_disk_are_encrypted_and_overwritten(tmp_path: Path) -> None:
    rows = unit_templates(50, 18)
    originals = FileOriginals(rows, tmp_path, RowCipher())
    assert list(tmp_path.iterdir()) == []  # no name
    content = Path(f"/proc/self/fd/{originals._file.fileno()}").read_bytes()
    assert not any(row.tobytes()[:16] in content for row in rows)
    np.testing.assert_array_equal(originals.read(np.array([0, 1, 2, 7, 49])), rows[[0, 1, 2, 7, 49]])
    originals.erase(np.array([7]))
    after = Path(f"/proc/self/fd/{originals._file.fileno()}").read_bytes()
    assert after[7 * 80 : 8 * 80] == bytes(80)
    np.testing.assert_array_equal(originals.read(np.array([8])), rows[8:9])


def test_templates_of_several_files_are_read_together(tmp_path: Path) -> None:
    """Rows with the same number in two files of one key are under counters of their own."""
    first, second, cipher = unit_templates(50, 18), unit_templates(40, 18, seed=1), RowCipher()
    files = [FileOriginals(rows, tmp_path, cipher) for rows in (first, second, second)]
    contents = [Path(f"/proc/self/fd/{file._file.fileno()}").read_bytes() for file in files]
    assert contents[1] != contents[2]
    assert contents[0][: 80 * 40] != contents[1]
    wanted = [np.array([49, 0, 1]), np.array([39, 38]), np.array([1])]
    expected = np.concatenate([first[wanted[0]], second[wanted[1]], second[wanted[2]]])
    np.testing.assert_array_equal(read_together(list(zip(files, wanted, strict=True))), expected)
    files[1] = FileOriginals(second, tmp_path, RowCipher())
    np.testing.assert_array_equal(read_together(list(zip(files, wanted, strict=True))), expected)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_search_shared_among_threads_finds_what_one_finds(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment of cells is searched in shares of these, each row in one of them."""
    monkeypatch.setattr("assent.gallery.short_codes._ROWS_OF_CELL", 64)
    monkeypatch.setattr(faiss_index, "_WORTH_A_THREAD", 1000)
    drawn = Templates()
    rows = drawn.draw(40_000)
    index, exact = FaissIndex(128, threads=threads), ExactIndex(128)
    for each in (index, exact):
        each.add(names(len(rows)), rows, expires_s=np.full(len(rows), np.inf))
    asked: list[Share] = []
    near = CodedSegment.near

    def noted(segment: CodedSegment, *arguments: Any) -> list[Near]:
        asked.append(arguments[-1])
        return near(segment, *arguments)

    monkeypatch.setattr(CodedSegment, "near", noted)
    probes = drawn.mates(rows[:40], FLOOR, 0.95)
    for some in (probes[:1], probes):  # FAISS has a way for few and one for many
        asked.clear()
        wanted = {"limit": 100, "min_score": 0.8, "now_s": 0.0}
        assert index.search(some, **wanted) == exact.search(some, **wanted)  # type: ignore[arg-type]
        assert sorted(asked, key=lambda share: share.number) == (
            [WHOLE] if threads == 1 else [Share(number, 3) for number in range(3)]
        )


@pytest.mark.parametrize("num_probes", [1, 20])
def test_each_row_is_in_one_share(num_probes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assent.gallery.short_codes._ROWS_OF_CELL", 8)
    rows = unit_templates(3000, 16)
    short, everybody = ShortCodes(rows), Effort(10_000_000, 1.0)
    assert short.num_cells > 300
    shares = [
        short.nearest(rows[:num_probes], everybody, Share(number, 3), limit=10, min_score=-1, bits=None)
        for number in range(3)
    ]
    for of_one in zip(*shares, strict=True):
        found = np.concatenate(of_one)
        assert sorted(found[found >= 0].tolist()) == list(range(3000))
        assert all(np.count_nonzero(part >= 0) > 900 for part in of_one)


def test_a_segment_that_is_mostly_gone_is_made_anew(tmp_path: Path) -> None:
    """Whether the next addition has something to do is remembered, not looked for at each."""
    index, rows = FaissIndex(16, folder=tmp_path, threads=1, open_rows=10), unit_templates(101, 16)
    index.add(names(100), rows[:100], expires_s=np.full(100, np.inf))
    index.add(names(1, 200), rows[100:], expires_s=np.full(1, np.inf))
    index.remove(names(31))
    index.add(names(1, 300), rows[:1], expires_s=np.full(1, np.inf))
    index.settle()
    [segment] = [item for item in index._segments if isinstance(item, CodedSegment)]
    assert segment.num_rows == len(segment) == 69
    assert len(index) == 71
    assert best(index, rows[50]) == ["k000050"]


def test_small_parts_that_were_added_at_once_are_merged(tmp_path: Path) -> None:
    index, rows = FaissIndex(16, folder=tmp_path, threads=1, open_rows=10), unit_templates(8 * 40, 16)
    for start in range(0, len(rows), 40):
        index.add(names(40, start), rows[start : start + 40], expires_s=np.full(40, np.inf))
    index.settle()
    assert [item.num_rows for item in index._segments if isinstance(item, CodedSegment)] == [320]


def leaving_after(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, index: FaissIndex, leaving: list[str]
) -> None:
    """Once ``name`` has answered for the first time, these have left."""
    real, lock = getattr(owner, name), threading.Lock()

    def then_gone(*arguments: Any, **options: Any) -> Any:
        found = real(*arguments, **options)
        with lock:
            index.remove(leaving)
            leaving.clear()
        return found

    monkeypatch.setattr(owner, name, then_gone)


@pytest.mark.parametrize(
    ("owner", "name"), [(CodedSegment, "near"), (ShortCodes, "nearest")], ids=["a share", "the codes"]
)
@pytest.mark.parametrize("threads", [1, 2])
def test_who_leaves_within_a_search_takes_nobody_along(
    threads: int, owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not between two of its shares, and not by the scores that overwritten codes would have."""
    monkeypatch.setattr("assent.gallery.short_codes._ROWS_OF_CELL", 8)
    monkeypatch.setattr(faiss_index, "_WORTH_A_THREAD", 1000)
    rows = unit_templates(4000, 16)
    index = FaissIndex(16, threads=threads, open_rows=10)
    index.add(names(4000), rows, expires_s=np.full(4000, np.inf))
    leaving_after(monkeypatch, owner, name, index, names(3990))
    found = index.search(rows[3990:], limit=1, min_score=0.9, now_s=0.0)
    assert [[hit.key for hit in hits] for hits in found] == [[key] for key in names(10, 3990)]


def test_overwritten_codes_are_not_taken_for_somebodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but zeros would be the nearest of all for some probes, and the search would have to be done again."""
    rows = unit_templates(4000, 16)
    index = FaissIndex(16, threads=1, open_rows=10)
    index.add(names(4000), rows, expires_s=np.full(4000, np.inf))
    leaving_after(monkeypatch, ShortCodes, "nearest", index, names(3990))
    read: list[int] = []

    def counted(parts: Sequence[tuple[Segment, Int64]]) -> Found:
        read.append(sum(len(rows) for _, rows in parts))
        return read_rows(parts)

    monkeypatch.setattr(faiss_index, "read_rows", counted)
    index.search(rows[3990:], limit=1, min_score=0.9, now_s=0.0)
    assert sum(read) == 10


def test_whoever_was_passed_over_for_somebody_who_left_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best has left when the templates are read: the second is the answer, not nobody."""
    rows = unit_templates(100, 16)
    rows[50:] = rows[:50] + 0.4 * unit_templates(50, 16, seed=1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = FaissIndex(16, threads=1, open_rows=10)
    index.add(names(100), rows, expires_s=np.full(100, np.inf))
    assert best(index, rows[7]) == ["k000007"]
    read, leaving = read_rows, ["k000007"]

    def gone_then_read(parts: Sequence[tuple[Segment, Int64]]) -> Found:
        index.remove(leaving)
        leaving.clear()
        return read(parts)

    monkeypatch.setattr(faiss_index, "read_rows", gone_then_read)
    assert best(index, rows[7]) == ["k000057"]
    assert not leaving


def test_a_folder_that_is_gone_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    index = FaissIndex(16, folder=tmp_path / "gone", threads=1, open_rows=10)
    index.add(names(10), unit_templates(10, 16), expires_s=np.full(10, np.inf))
    with pytest.raises(IndexUnavailable, match="make room there"):
        index.add(names(11, 20), unit_templates(11, 16, seed=1), expires_s=np.full(11, np.inf))
    assert len(index) == 10
    index.add(["more"], unit_templates(1, 16, seed=1), expires_s=np.array([np.inf]))  # coded by nobody yet
    index.settle()
    with pytest.raises(IndexUnavailable, match="make room there"):
        index.verify()
    assert len(index) == 11
    assert len(index.search(unit_templates(1, 16), limit=20, min_score=-1, now_s=0)[0]) == 11
    (tmp_path / "gone").mkdir()
    index.add(["again"], unit_templates(1, 16, seed=2), expires_s=np.array([np.inf]))
    index.settle()
    index.verify()
    assert len(index._segments) == 2
    assert len(index.search(unit_templates(1, 16), limit=20, min_score=-1, now_s=0)[0]) == 12


def test_a_full_part_is_coded_while_others_add_search_and_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    class Slow(CodedSegment):
        def __init__(self, *args: Any) -> None:
            begun.set()
            assert may_end.wait(60)
            super().__init__(*args)

    rows = unit_templates(200, 16)
    index = FaissIndex(16, folder=tmp_path, threads=1, open_rows=100)
    index.add(names(100), rows[:100], expires_s=np.full(100, np.inf))
    with monkeypatch.context() as patched:
        patched.setattr(faiss_index, "CodedSegment", Slow)
        index.add(names(1, 100), rows[100:101], expires_s=np.array([np.inf]))
        assert begun.wait(60)
        index.remove(["k000007"])
        index.add(names(50, 101), rows[101:151], expires_s=np.full(50, np.inf))
        assert "k000120" in index
        assert index.num_live(0) == 150
        assert index.search(rows[7:8], limit=1, min_score=0.9999, now_s=0) == [()]
        may_end.set()
        index.settle()
    assert len(index) == 150
    assert index.search(rows[7:8], limit=1, min_score=0.9999, now_s=0) == [()]
    assert [hit.key for hit in index.search(rows[8:9], limit=1, min_score=0.99, now_s=0)[0]] == ["k000008"]
    index.verify()


@pytest.mark.parametrize("num_live", [1, 10, 3_000, 100_000, 1_000_000])
@pytest.mark.slow
def test_k_results_are_k_allowed_results_down_to_one_in_a_million(num_live: int, tmp_path: Path) -> None:
    drawn = Templates()
    rows = drawn.draw(1_000_000)
    expires_s = np.full(len(rows), 1.0)
    live = np.sort(np.random.default_rng(2).choice(len(rows), num_live, replace=False))
    expires_s[live] = np.inf
    index = FaissIndex(128, folder=tmp_path, threads=2)
    index.add(names(len(rows)), rows, expires_s=expires_s)
    assert index.num_live(1.0) == num_live
    mated = live[: min(num_live, 20)]
    for number, probe in zip(mated, drawn.mates(rows[mated], FLOOR, 0.95), strict=True):
        [hits] = index.search(probe[None], limit=3, min_score=-1, now_s=1.0)
        assert len(hits) == min(3, num_live)
        assert hits[0].key == f"k{number:06}"
        assert all(np.searchsorted(live, int(hit.key[1:])) < num_live for hit in hits)
        assert {int(hit.key[1:]) for hit in hits} <= set(live.tolist())


def test_nothing_of_a_removed_template_stays_in_memory_or_on_the_disk(tmp_path: Path) -> None:
    """Not the short codes either, and the neighbours in the same block are untouched."""
    index, rows = FaissIndex(16, folder=tmp_path, threads=1, open_rows=10), unit_templates(100, 16)
    index.add(names(100), rows, expires_s=np.full(100, np.inf))
    [segment] = [s for s in index._segments if isinstance(s, CodedSegment)]
    everybody = np.arange(100)
    before = segment.short_codes(everybody)
    assert (before != 0).any(axis=1).all()
    index.remove(["k000041", "k000097"])
    after = segment.short_codes(everybody)
    gone = np.isin(everybody, [41, 97])
    assert not after[gone].any()
    assert not segment._codes[gone].any()
    np.testing.assert_array_equal(after[~gone], before[~gone])
    content = Path(f"/proc/self/fd/{segment.originals._file.fileno()}").read_bytes()  # type: ignore[attr-defined]
    assert content[41 * 64 : 42 * 64] == content[97 * 64 : 98 * 64] == bytes(64)
    index.verify()


def test_damage_is_noticed() -> None:
    index = FaissIndex(16, threads=1, open_rows=10)
    index.add(names(20), unit_templates(20, 16), expires_s=np.full(20, np.inf))
    index.verify()
    [segment] = [s for s in index._segments if isinstance(s, CodedSegment)]
    segment._codes[3, 2] ^= 0x80
    with pytest.raises(IndexUnavailable, match="disagree"):
        index.verify()


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **options: Any) -> Any:
        if name == "faiss":
            raise ModuleNotFoundError(name)
        return real(name, *args, **options)

    faiss.cache_clear()
    monkeypatch.setattr(builtins, "__import__", missing)
    index = FaissIndex(16, threads=1, open_rows=10)
    with pytest.raises(UsageError, match=r"pip install 'assent\[scale\]'"):
        index.add(names(20), unit_templates(20, 16), expires_s=np.full(20, np.inf))
    monkeypatch.undo()
    assert len(index) == 0


def test_who_leaves_while_a_segment_is_read_is_not_in_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A merge and a save read without holding removals up; what was overwritten meanwhile is no template."""
    index = FaissIndex(16, folder=tmp_path, threads=1, open_rows=10)
    index.add(names(100), unit_templates(100, 16), expires_s=np.full(100, np.inf))
    [segment] = [item for item in index._segments if isinstance(item, CodedSegment)]
    read, leaving = FileOriginals.read, iter(["k000007", "k000008"])

    def read_late(self: FileOriginals, at: Any) -> Any:
        index.remove([next(leaving)])
        return read(self, at)

    monkeypatch.setattr(FileOriginals, "read", read_late)
    held = segment.held()
    assert held.keys.tolist() == [name.encode() for name in names(100) if name != "k000007"]
    np.testing.assert_allclose(np.linalg.norm(held.templates, axis=1), 1, atol=1e-5)
    segment.check()
    assert next(leaving, None) is None


def test_a_full_part_that_is_not_coded_yet_is_in_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FaissIndex, "_merge_in_background", lambda _self: None)
    index = FaissIndex(16, threads=1, open_rows=10)
    rows = unit_templates(12, 16)
    for start in range(0, 12, 4):
        index.add(names(4, start), rows[start : start + 4], expires_s=np.full(4, np.inf))
    assert len(index._segments) == 2
    assert sorted(key for batch in index.batches() for key in batch.keys.tolist()) == [
        name.encode() for name in names(12)
    ]


@pytest.mark.parametrize(
    ("bytes_read", "most", "expected"),
    [
        ([], 2, (1, 1)),
        ([3_000_000], 2, (1, 1)),
        ([16_000_000], 1, (1, 1)),
        ([16_000_000], 2, (2, 2)),
        ([16_000_000, 9_000], 2, (2, 2)),
        ([16_000_000] * 2, 2, (2, 1)),
        ([16_000_000] * 3, 2, (2, 2)),
        ([16_000_000] * 10, 2, (2, 1)),
        ([16_000_000] * 10, 16, (16, 3)),
        ([1_600_000, 1_600_000, 1_600_000], 16, (2, 2)),
    ],
)
def test_threads_have_enough_to_do_and_about_the_same(
    bytes_read: list[int], most: int, expected: tuple[int, int]
) -> None:
    assert faiss_index._threads_for(bytes_read, most) == expected
