"""What only the index in Milvus does: what is there and what is left there, and what happens when it is silent."""

from __future__ import annotations

import builtins
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assent.errors import IndexUnavailable, UsageError
from assent.gallery import ExactIndex, Hit, MilvusIndex, MilvusServer, Seal
from assent.gallery.milvus_connection import pymilvus
from assent.gallery.milvus_index import MAX_LIMIT
from assent.gallery.milvus_server import Kind, random_turn
from tests.builders import near, unit_templates
from tests.milvus import Lite, lite, shared_server

# one process of the suite loads pymilvus, not all
pytestmark = pytest.mark.xdist_group("milvus")

NEVER = np.inf


@pytest.fixture
def own_lite(tmp_path: Path) -> Iterator[Lite]:
    """One that the test may stop."""
    own = Lite(tmp_path / "lite")
    yield own
    own.stop()


def names(count: int, start: int = 0) -> list[str]:
    return [f"k{i:04}" for i in range(start, start + count)]


def filled(server: MilvusServer, n: int = 40, **options: Any) -> tuple[MilvusIndex, np.ndarray]:
    index, rows = MilvusIndex(16, server=server, **options), unit_templates(n, 16)
    index.add(names(n), rows, expires_s=np.full(n, NEVER))
    return index, rows


def best(index: MilvusIndex | ExactIndex, probe: np.ndarray, limit: int = 1) -> list[str]:
    [hits] = index.search(probe[None], limit=limit, min_score=0.9, now_s=0)
    return [hit.key for hit in hits]


def turned(index: MilvusIndex, row: np.ndarray) -> bytes:
    """The bytes that Milvus has of a template."""
    collection = index._state.collection
    assert collection is not None
    return collection.turned(row[None]).tobytes()


# --- what is there, and what is left there


@pytest.mark.parametrize("renew_rows", [100, 0], ids=["turned anew", "deleted and flushed"])
def test_who_leaves_is_in_no_file_of_milvus(own_lite: Lite, renew_rows: int) -> None:
    index, rows = filled(MilvusServer(own_lite.uri), renew_rows=renew_rows)
    before = turned(index, rows[7])
    assert before in own_lite.content()
    index.remove(["k0007"])
    index.tidy()
    content = own_lite.content()
    assert before not in content
    assert turned(index, rows[7]) not in content
    assert turned(index, rows[8]) in content
    assert best(index, rows[8]) == ["k0008"]
    index.verify()


def test_who_leaves_what_was_written_long_ago_is_in_no_file_either(own_lite: Lite) -> None:
    server = MilvusServer(own_lite.uri)
    index, rows = filled(server)
    for number in (3, 4):
        collection, before = index._state.collection, turned(index, rows[number])
        assert collection is not None
        server.flush(collection)
        assert before in own_lite.content()
        index.remove([f"k{number:04}"])
        index.tidy()
        assert before not in own_lite.content()
        assert collection.name not in own_lite.collections()
    index.remove(names(40)[:3] + names(35, 5))
    index.tidy()
    assert own_lite.collections() == set()
    assert index.search(rows[:1], limit=1, min_score=-1, now_s=0) == [()]


def test_nothing_there_names_anybody_or_is_a_template(own_lite: Lite) -> None:
    index, rows = filled(MilvusServer(own_lite.uri))
    content = own_lite.content()
    assert turned(index, rows[0]) in content
    assert not any(key.encode() in content for key in names(40))
    assert not any(row.tobytes()[:16] in content for row in rows)


def test_whose_consent_has_ended_is_left_out_inside_the_search_of_milvus() -> None:
    """Not afterwards: else they would take the places of those who may be found."""
    server, rows = shared_server(), unit_templates(40, 16)
    found = {}
    with closing(MilvusIndex(16, server=server)) as index:
        index.add(names(40), rows, expires_s=np.where(np.arange(40) < 30, 100.0, NEVER))
        collection = index._state.collection
        assert collection is not None
        for now_s in (99.0, 100.0):
            [(numbers, _)] = server.search(collection, rows[:1], count=40, now_s=now_s)
            found[now_s] = len(numbers)
    assert found == {99.0: 40, 100.0: 10}


def test_it_is_tidied_by_itself(own_lite: Lite) -> None:
    index, rows = filled(MilvusServer(own_lite.uri), tidy_after_s=0.05)
    before = turned(index, rows[7])
    index.remove(["k0007"])
    deadline = time.monotonic() + 20
    while before in own_lite.content() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert before not in own_lite.content()
    assert best(index, rows[8]) == ["k0008"]


def test_turns_are_orthogonal_and_never_the_same() -> None:
    one, other = random_turn(64), random_turn(64)
    np.testing.assert_allclose(one @ one.T, np.eye(64), atol=1e-12)
    assert np.abs(one - other).max() > 0.1


def test_an_index_that_nobody_uses_leaves_nothing() -> None:
    index, _ = filled(shared_server())
    collection = index._state.collection
    assert collection is not None
    assert collection.name in lite().collections()
    del index
    deadline = time.monotonic() + 20
    while collection.name in lite().collections() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert collection.name not in lite().collections()


def test_a_closed_index_leaves_nothing_and_says_so() -> None:
    index, rows = filled(shared_server())
    collection = index._state.collection
    assert collection is not None
    index.close()
    index.close()
    assert collection.name not in lite().collections()
    for act in (
        lambda: best(index, rows[0]),
        lambda: index.add(["new"], rows[:1], expires_s=np.array([NEVER])),
        lambda: index.remove([]),
    ):
        with pytest.raises(IndexUnavailable, match="was closed"):
            act()


_KILLED = """
import sys, time
import numpy as np
from pathlib import Path
from assent.gallery import MilvusIndex, MilvusServer
index = MilvusIndex(4, server=MilvusServer(sys.argv[1], folder=Path(sys.argv[2])))
index.add(["a"], np.eye(4, dtype=np.float32)[:1], expires_s=np.array([np.inf]))
print(index._state.collection.name, flush=True)
if sys.argv[3] == "wait":
    time.sleep(60)
"""


def start_process(own_lite: Lite, folder: Path, how: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, own_lite.uri, str(folder), how],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "GRPC_VERBOSITY": "NONE"},
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.slow
def test_what_a_killed_process_left_is_dropped_and_nothing_else(own_lite: Lite, tmp_path: Path) -> None:
    killed, left = start_process(own_lite, tmp_path / "here", "wait")
    living, used = start_process(own_lite, tmp_path / "here", "wait")
    others, elsewhere = start_process(own_lite, tmp_path / "elsewhere", "wait")
    try:
        killed.kill()
        others.kill()
        killed.wait()
        others.wait()
        living.send_signal(signal.SIGSTOP)  # it sleeps, and has its collection when it wakes
        assert {left, used, elsewhere} <= own_lite.collections()
        assert MilvusServer("http://127.0.0.1:9", folder=tmp_path / "here").drop_left_behind() == 0
        assert MilvusServer(own_lite.uri, folder=tmp_path / "here").drop_left_behind() == 1
        assert own_lite.collections() == {used, elsewhere}
    finally:
        living.kill()
        for process in (killed, living, others):
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
    index, _ = filled(MilvusServer(own_lite.uri, folder=tmp_path / "here"))
    assert used not in own_lite.collections()
    index.close()
    assert own_lite.collections() == {elsewhere}
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.slow
def test_a_process_that_ends_leaves_nothing(own_lite: Lite, tmp_path: Path) -> None:
    process, _ = start_process(own_lite, tmp_path, "end")
    assert process.wait() == 0
    assert process.stdout is not None
    process.stdout.close()
    assert own_lite.collections() == set()


# --- answers


def test_more_ties_than_were_asked_for_are_all_looked_at() -> None:
    index, row = MilvusIndex(8, server=shared_server()), unit_templates(1, 8)
    index.add(names(200), np.repeat(row, 200, axis=0), expires_s=np.full(200, NEVER))
    assert best(index, row[0], limit=3) == ["k0000", "k0001", "k0002"]


@pytest.mark.parametrize("kind", ["FLAT", "HNSW", "HNSW_SQ"])
def test_every_way_to_search_agrees_with_exact(kind: Kind) -> None:
    """Also where few may be returned; near the floor."""
    rows = unit_templates(1500, 32)
    ends_s = np.where(np.random.default_rng(3).random(1500) < 0.02, NEVER, 1.0)
    probes = np.stack([near(row, cosine=0.94, seed=i + 1) for i, row in enumerate(rows[:20])])
    index, exact = MilvusIndex(32, server=shared_server(), kind=kind, open_rows=1000), ExactIndex(32)
    for each in (index, exact):
        each.add(names(1500), rows, expires_s=ends_s)
    for now_s, min_score in ((0.0, 0.9), (2.0, -1.0)):
        options: dict[str, Any] = {"limit": 5, "min_score": min_score, "now_s": now_s}
        assert index.search(probes, **options) == exact.search(probes, **options)
    index.verify()
    index.close()


def test_a_limit_that_milvus_cannot_give_is_refused() -> None:
    index, rows = filled(shared_server())
    with pytest.raises(UsageError, match="at most 8,192"):
        index.search(rows[:1], limit=MAX_LIMIT + 1, min_score=0, now_s=0)


def test_a_key_that_comes_back_is_the_new_template(tmp_path: Path) -> None:
    """Through additions one by one, kept in several files."""
    index = MilvusIndex(16, server=shared_server(), folder=tmp_path, open_rows=8, tidy_after_s=600)
    first, second = unit_templates(20, 16, seed=1), unit_templates(20, 16, seed=2)
    for templates in (first, second):
        for key, row in zip(names(20), templates, strict=True):
            if key in index:
                index.remove([key])
            index.add([key], row[None], expires_s=np.array([NEVER]))
    assert len(index) == 20
    assert [best(index, row) for row in second] == [[key] for key in names(20)]
    assert all(index.search(row[None], limit=1, min_score=0.999, now_s=0) == [()] for row in first)
    index.verify()
    index.tidy()
    assert [best(index, row) for row in second] == [[key] for key in names(20)]
    index.verify()
    assert list(tmp_path.iterdir()) == []


def test_what_milvus_has_and_should_not_is_found_and_is_no_hit() -> None:
    server = shared_server()
    index, _ = filled(server)
    collection = index._state.collection
    assert collection is not None
    stranger = unit_templates(1, 16, seed=77)
    server.insert(collection, np.array([12_345, 7 << 32]), np.repeat(stranger, 2, axis=0), np.full(2, NEVER))
    assert best(index, stranger[0]) == []
    with pytest.raises(IndexUnavailable, match="other rows than it was given"):
        index.verify()


# --- when it does not answer


def test_a_closed_port_is_said_at_once_and_nothing_is_lost() -> None:
    index = MilvusIndex(16, server=MilvusServer("http://127.0.0.1:9", token="root:hush", timeout_s=1))
    rows = unit_templates(2, 16)
    assert index.search(rows, limit=1, min_score=0, now_s=0) == [(), ()]
    with pytest.raises(
        IndexUnavailable, match=r"Milvus at 127\.0\.0\.1:9, cannot connect: no answer"
    ) as caught:
        index.add(["a", "b"], rows, expires_s=np.full(2, NEVER))
    assert "hush" not in str(caught.value)
    assert len(index) == 0


def test_a_server_that_never_answers_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        uri = f"http://127.0.0.1:{hole.getsockname()[1]}"
        index = MilvusIndex(16, server=MilvusServer(uri, timeout_s=0.3))
        started_s = time.monotonic()
        with pytest.raises(IndexUnavailable, match="no answer"):
            index.add(["a"], unit_templates(1, 16), expires_s=np.array([NEVER]))
        assert time.monotonic() - started_s < 5


def test_it_goes_on_when_milvus_is_back(own_lite: Lite, tmp_path: Path) -> None:
    index, rows = filled(MilvusServer(own_lite.uri, timeout_s=1), tidy_after_s=600)
    own_lite.stop()
    with pytest.raises(IndexUnavailable, match="see that it runs and can be reached"):
        best(index, rows[0])
    with pytest.raises(IndexUnavailable):
        index.add(["new"], unit_templates(1, 16, seed=9), expires_s=np.array([NEVER]))
    assert "new" not in index
    with pytest.raises(IndexUnavailable):
        index.remove(["k0003"])
    assert "k0003" not in index
    with pytest.raises(IndexUnavailable):
        index.verify()
    # what is here goes on
    assert index.num_live(0) == 39
    assert index.save(tmp_path / "saved", Seal(bytes(32), {})).count == 39
    own_lite.start()
    assert best(index, rows[0]) == ["k0000"]
    assert best(index, rows[3]) == []
    index.add(["new"], unit_templates(1, 16, seed=9), expires_s=np.array([NEVER]))
    assert best(index, unit_templates(1, 16, seed=9)[0]) == ["new"]
    index.verify()
    assert len(index) == 40


def test_a_slow_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("milvus_lite")
    from milvus_lite.adapter.grpc.servicer import MilvusServicer

    is_slow, is_over, search = threading.Event(), threading.Event(), MilvusServicer.Search

    def slow(self: Any, request: Any, context: Any) -> Any:
        if is_slow.is_set():
            is_over.wait(20)
        return search(self, request, context)

    monkeypatch.setattr(MilvusServicer, "Search", slow)
    own = Lite(tmp_path / "lite")
    try:
        index, rows = filled(MilvusServer(own.uri, timeout_s=1))
        assert best(index, rows[0]) == ["k0000"]
        is_slow.set()
        started_s = time.monotonic()
        with pytest.raises(IndexUnavailable, match="no answer in time"):
            best(index, rows[0])
        assert time.monotonic() - started_s < 15
        is_slow.clear()
        is_over.set()
        assert best(index, rows[0]) == ["k0000"]
    finally:
        is_over.set()
        own.stop()


def test_a_collection_that_somebody_dropped_is_said() -> None:
    index, rows = filled(shared_server())
    collection = index._state.collection
    assert collection is not None
    was_lost = index.is_lost
    lite().drop(collection.name)
    for act in (
        lambda: best(index, rows[0]),
        lambda: index.add(["new"], unit_templates(1, 16, seed=9), expires_s=np.array([NEVER])),
        index.verify,
    ):
        with pytest.raises(IndexUnavailable, match="has the collection of this index no more"):
            act()
    assert (was_lost, index.is_lost) == (False, True)
    assert len(index) == 40


@pytest.mark.slow
def test_a_search_goes_on_while_the_collection_changes(own_lite: Lite) -> None:
    index, rows = filled(MilvusServer(own_lite.uri), tidy_after_s=600)
    failures: list[list[str]] = []
    is_over = threading.Event()

    def search() -> None:
        while not is_over.is_set():
            if (found := best(index, rows[0])) != ["k0000"]:
                failures.append(found)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for key in names(8, 10):
        index.remove([key])
        index.tidy()
    is_over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(own_lite.collections()) == 1


# --- settings


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        ("http://root:hush@host:19530", "no user or password"),
        ("https://hush@host", "no user or password"),
        ("ftp://host", "must be like"),
        ("host:19530", "must be like"),
        ("", "must be like"),
        ("http://host:port", "must be like"),
        ("http://", "must be like"),
    ],
)
def test_an_address_that_is_none_is_refused(uri: str, what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        MilvusServer(uri)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("http://host", "host:19530"),
        ("https://host/base", "host:443/base"),
        ("unix:/run/milvus.sock", "unix:/run/milvus.sock"),
        ("lite.db", "lite.db"),
    ],
)
def test_what_is_printed_of_an_address(uri: str, address: str) -> None:
    assert MilvusServer(uri, token="hush").address == address


def test_without_pymilvus_the_command_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refusing(name: str, *args: Any, **options: Any) -> Any:
        if name == "pymilvus":
            raise ModuleNotFoundError(name)
        return real(name, *args, **options)

    pymilvus.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refusing)
    index = MilvusIndex(4, server=MilvusServer("http://127.0.0.1:9"))
    with pytest.raises(UsageError, match=r"pip install 'assent\[milvus\]'"):
        index.add(["a"], unit_templates(1, 4), expires_s=np.array([NEVER]))
    monkeypatch.undo()
    pymilvus.cache_clear()


def test_the_library_prints_nothing(own_lite: Lite, capfd: pytest.CaptureFixture[str]) -> None:
    index, rows = filled(MilvusServer(own_lite.uri, token="root:hush", timeout_s=1))
    own_lite.stop()
    with pytest.raises(IndexUnavailable):
        best(index, rows[0])
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


def test_hits_are_those_of_exact_to_the_last_bit() -> None:
    rows, probes = unit_templates(60, 128), unit_templates(5, 128, seed=4)
    index, exact = MilvusIndex(128, server=shared_server()), ExactIndex(128)
    for each in (index, exact):
        each.add(names(60), rows, expires_s=np.full(60, NEVER))
    options: dict[str, Any] = {"limit": 60, "min_score": -1.0, "now_s": 0.0}
    found: list[tuple[Hit, ...]] = index.search(probes, **options)
    assert found == exact.search(probes, **options)
    assert len(found[0]) == 60
