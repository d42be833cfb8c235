"""Milvus Lite, served as a cluster is: one for each test process, and more for tests that stop theirs."""

from __future__ import annotations

import atexit
import gc
import shutil
import tempfile
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from assent.gallery import MilvusServer


class Lite:
    """A server over a folder, on a port of its own; started, stopped, and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        for module in ("pymilvus", "milvus_lite"):
            if find_spec(module) is None:
                pytest.skip(f"{module} is not installed: Milvus is not tested")
        self.folder = folder
        self._port = 0
        self._running: Any = None
        self.start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        from milvus_lite.adapter.grpc.server import start_server_in_thread

        server, db, self._port = start_server_in_thread(str(self.folder), port=self._port)
        self._running = server, db

    def stop(self) -> None:
        """Stop, when collections of indexes that nobody uses any more are dropped."""
        gc.collect()
        for thread in threading.enumerate():
            if thread.name == "assent-milvus-drop":
                thread.join()
        if self._running is not None:
            server, db = self._running
            server.stop(grace=0).wait()
            db.close()
            self._running = None

    def collections(self) -> set[str]:
        """Those that are there."""
        return set(self._running[1].list_collections())

    def drop(self, name: str) -> None:
        """As somebody else would."""
        self._running[1].drop_collection(name)

    def content(self) -> bytes:
        """Every byte of its files, and of every column in them, which are compressed."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        found = []
        for path in sorted(self.folder.rglob("*")):
            if not path.is_file():
                continue
            found.append(path.read_bytes())
            tables: list[pa.Table] = []
            if path.suffix == ".parquet":
                tables = [pq.read_table(path)]
            elif path.suffix == ".arrow":
                with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
                    tables = [pa.Table.from_batches([batch]) for batch in reader]
            for table in tables:
                for column in table.columns:
                    for part in column.chunks:
                        found += [buffer.to_pybytes() for buffer in part.buffers() if buffer is not None]
                        values = getattr(part, "values", None)
                        if values is not None:
                            found += [b.to_pybytes() for b in values.buffers() if b is not None]
        return b"\n".join(found)


@cache
def lite() -> Lite:
    """The one that tests share, in a folder that goes with the process; skips where it is not installed."""
    folder = Path(tempfile.mkdtemp(prefix="assent-milvus-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Lite(folder)


@cache
def shared_server() -> MilvusServer:
    """A way to it."""
    return MilvusServer(lite().uri, timeout_s=20)
