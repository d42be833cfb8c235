from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest

from assent.errors import DownloadFailed, ModelError
from assent.models.download import NoProgress, Wanted, download, has_hash
from assent.models.files import sha256_of
from tests.unit.models.server import FileServer

BODY = np.random.default_rng(0).bytes(300_000)
WANTED = Wanted("model.onnx", sha256_of(BODY), len(BODY))


class Recorded:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.done = 0
        self.open = 0

    def start(self, label: str, total_bytes: int | None) -> None:
        self.labels.append(label)
        self.done = 0
        self.open += 1

    def advance(self, num_bytes: int) -> None:
        self.done += num_bytes

    def finish(self) -> None:
        self.open -= 1


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=2) as running:
        yield running


def get(client: httpx2.Client, url: str, dest: Path, wanted: Wanted = WANTED) -> Recorded:
    progress = Recorded()
    try:
        download(client, url, dest, wanted, progress=progress, retry_delay_s=0.001)
    finally:
        assert progress.open == 0
    return progress


def part_of(dest: Path) -> Path:
    return dest.with_name(dest.name + ".part")


@pytest.mark.parametrize("size", [len(BODY), None])
def test_a_whole_file_arrives(
    server: FileServer, client: httpx2.Client, tmp_path: Path, size: int | None
) -> None:
    dest = tmp_path / "model.onnx"
    wanted = Wanted("model.onnx", WANTED.sha256, size)
    progress = get(client, server.add("/f", BODY), dest, wanted)
    assert dest.read_bytes() == BODY
    assert list(tmp_path.iterdir()) == [dest]
    assert progress.done == len(BODY)
    assert progress.labels == ["model.onnx"]
    assert server.requests[0].accept_encoding == "identity"


def test_an_interrupted_download_goes_on_where_it_stopped(
    server: FileServer, client: httpx2.Client, tmp_path: Path
) -> None:
    dest = tmp_path / "model.onnx"
    progress = get(client, server.add("/f", BODY, cut_after=[100_000, 50_000]), dest)
    assert dest.read_bytes() == BODY
    assert [request.range for request in server.requests] == [None, "bytes=100000-", "bytes=150000-"]
    assert progress.done == len(BODY)


def test_a_later_run_goes_on_too(server: FileServer, client: httpx2.Client, tmp_path: Path) -> None:
    dest = tmp_path / "model.onnx"
    url = server.add("/f", BODY, cut_after=[70_000, 0, 0, 0, 0, 0, 0, 0])
    with pytest.raises(DownloadFailed, match=r"got 70000 of 300000 bytes.*run the same command again"):
        get(client, url, dest)
    assert not dest.exists()
    assert part_of(dest).stat().st_size == 70_000
    server.files["/f"].cut_after.clear()
    server.requests.clear()
    get(client, url, dest)
    assert dest.read_bytes() == BODY
    assert [request.range for request in server.requests] == ["bytes=70000-"]


def test_a_server_that_does_not_resume_starts_again(
    server: FileServer, client: httpx2.Client, tmp_path: Path
) -> None:
    dest = tmp_path / "model.onnx"
    progress = get(client, server.add("/f", BODY, cut_after=[100_000], ranges=False), dest)
    assert dest.read_bytes() == BODY
    assert progress.done == len(BODY)


def test_a_part_of_another_place_is_not_believed(
    server: FileServer, client: httpx2.Client, tmp_path: Path
) -> None:
    """206 with the beginning of the file: what is there must not be continued with it."""
    dest = tmp_path / "model.onnx"
    part_of(dest).write_bytes(BODY[:1000])
    get(client, server.add("/f", BODY, wrong_range=True), dest)
    assert dest.read_bytes() == BODY


@pytest.mark.parametrize(
    "leftover", [b"x" * 1000, b"x" * len(BODY), b"x" * (len(BODY) + 5), BODY[:-1] + b"?"]
)
@pytest.mark.parametrize("size", [len(BODY), None])
def test_leftovers_of_another_file_are_thrown_away(
    server: FileServer, client: httpx2.Client, tmp_path: Path, leftover: bytes, size: int | None
) -> None:
    dest = tmp_path / "model.onnx"
    part_of(dest).write_bytes(leftover)
    get(client, server.add("/f", BODY), dest, Wanted("model.onnx", WANTED.sha256, size))
    assert dest.read_bytes() == BODY
    assert list(tmp_path.iterdir()) == [dest]


def test_a_complete_part_is_taken_without_asking(client: httpx2.Client, tmp_path: Path) -> None:
    dest = tmp_path / "model.onnx"
    part_of(dest).write_bytes(BODY)
    get(client, "http://127.0.0.1:9/never-asked", dest)
    assert dest.read_bytes() == BODY


def test_another_file_is_refused_and_removed(
    server: FileServer, client: httpx2.Client, tmp_path: Path
) -> None:
    other = bytes(len(BODY))
    dest = tmp_path / "model.onnx"
    with pytest.raises(DownloadFailed) as caught:
        get(client, server.add("/f", other), dest)
    assert f"expected sha256 {WANTED.sha256}, got {sha256_of(other)}" in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_an_endless_file_is_stopped_early(server: FileServer, client: httpx2.Client, tmp_path: Path) -> None:
    dest = tmp_path / "model.onnx"
    with pytest.raises(DownloadFailed, match="expected 1000 bytes, got more"):
        get(client, server.add("/f", BODY), dest, Wanted("model.onnx", WANTED.sha256, 1000))
    assert not dest.exists()
    assert part_of(dest).stat().st_size == 0


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(server: FileServer, client: httpx2.Client, tmp_path: Path, status: int) -> None:
    url = server.add("/f", BODY, statuses=[status] * 9)
    with pytest.raises(DownloadFailed, match=f"model.onnx: expected the file, got the answer {status}"):
        get(client, url, tmp_path / "model.onnx")
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(
    server: FileServer, client: httpx2.Client, tmp_path: Path, status: int
) -> None:
    dest = tmp_path / "model.onnx"
    get(client, server.add("/f", BODY, statuses=[status, status]), dest)
    assert dest.read_bytes() == BODY
    assert len(server.requests) == 3


def test_a_slow_server_is_waited_for_only_so_long(server: FileServer, tmp_path: Path) -> None:
    url = server.add("/f", BODY, pause_s=0.3)
    with httpx2.Client(timeout=0.05) as hasty, pytest.raises(DownloadFailed, match="ReadTimeout"):
        get(hasty, url, tmp_path / "model.onnx")
    with httpx2.Client(timeout=5) as patient:
        get(patient, url, tmp_path / "model.onnx")


@pytest.mark.parametrize("url", ["http://u:secret@127.0.0.1:9/f?token=secret", "nonsense://secret/f"])
def test_no_message_repeats_an_address(client: httpx2.Client, tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadFailed) as caught:
        get(client, url, tmp_path / "model.onnx")
    assert "secret" not in caught.value.message


def test_a_folder_that_cannot_be_written_is_one_clear_error(client: httpx2.Client, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="expected"):
        get(client, "http://127.0.0.1:9/never-asked", tmp_path / "file" / "model.onnx")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is not on this system")
def test_a_full_disk_is_one_clear_error(server: FileServer, client: httpx2.Client, tmp_path: Path) -> None:
    dest = tmp_path / "model.onnx"
    part_of(dest).symlink_to("/dev/full")
    with pytest.raises(ModelError, match="No space left on device; free some space"):
        get(client, server.add("/f", BODY), dest)
    assert not dest.exists()


def test_has_hash(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert not has_hash(path, WANTED.sha256)
    path.write_bytes(BODY)
    assert has_hash(path, WANTED.sha256)
    assert not has_hash(path, "0" * 64)


def _download_in_process(url: str, dest: Path) -> None:
    with httpx2.Client(timeout=10) as client:
        download(client, url, dest, WANTED, progress=NoProgress())


def test_processes_that_want_the_same_file_wait_for_each_other(server: FileServer, tmp_path: Path) -> None:
    url = server.add("/f", BODY, pause_s=0.2)
    dest = tmp_path / "model.onnx"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_download_in_process, args=(url, dest)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert dest.read_bytes() == BODY
    assert list(tmp_path.iterdir()) == [dest]
    assert len(server.requests) == 1
