"""A Milvus, as far as an index needs it: collections of turned vectors under numbers, each call with an end.

Nothing that names anybody goes there, and no template as it is: see ``assent.gallery.milvus_index``.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from assent.errors import IndexUnavailable
from assent.gallery.milvus_connection import Gone, MilvusConnection, pymilvus
from assent.gallery.milvus_leases import Lease, Leases
from assent.types import Float32, Float64, Int64

Kind = Literal["FLAT", "HNSW", "HNSW_SQ", "DISKANN"]
"""How Milvus searches: all compared; a graph over templates in memory; over bytes of them; on its disks."""

MAX_CANDIDATES = 16_384
"""Milvus gives no more for one vector."""
_BUILD: dict[Kind, dict[str, Any]] = {
    "FLAT": {},
    "HNSW": {"M": 32, "efConstruction": 360},
    "HNSW_SQ": {"M": 32, "efConstruction": 360, "sq_type": "SQ8"},
    "DISKANN": {},
}
_PREFIX = "assent_"
_NEVER_S = 1e18
"""Milvus takes no infinity."""
_BYTES_AT_ONCE = 8 * 2**20
_NUMBERS_AT_ONCE = 4096
_PROBES_AT_ONCE = 100
_DROP_TIMEOUT_S = 5.0
"""Who closes does not wait for long: what is left is dropped by the next process."""


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """A collection of one index.

    Attributes:
        name: random.
        kind: how it is searched.
        turn: (dim, dim) float64, orthogonal, secret: rows times this are what Milvus has.
        lease: says that it is in use; None where there is no folder for that.
    """

    name: str
    kind: Kind
    turn: Float64 = field(repr=False)
    lease: Lease | None

    def turned(self, vectors: Float32) -> Float32:
        """(N, dim) as Milvus has them; the angles between them are the same."""
        return np.asarray(vectors @ self.turn, np.float32)


def random_turn(dim: int) -> Float64:
    """(dim, dim) float64, orthogonal, drawn from the operating system's randomness, every one as likely."""
    count = dim * dim
    words = np.frombuffer(secrets.token_bytes(16 * count), np.uint64).reshape(2, count)
    radius, angle = ((words >> np.uint64(11)) + 0.5) / 2**53  # (0, 1)
    normal = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)
    q, r = np.linalg.qr(normal.reshape(dim, dim))
    return np.asarray(q * np.sign(np.diag(r)), np.float64)


class MilvusServer:
    """One Milvus; connects when first needed, and again after a failure. Several threads may use it.

    All but ``drop`` and ``drop_left_behind`` raise ``IndexUnavailable`` where Milvus does not answer in time, or
    refuses, and ``Gone`` where the collection is not there.

    Args:
        uri: ``http://HOST:PORT``, ``https://...``, ``unix:PATH``, or a file that ends in ``.db`` for Milvus Lite.
        token: ``USER:PASSWORD`` or an API key; never printed.
        timeout_s: longest wait for an answer, seconds.
        folder: where it is noted which collections are in use, so that those of a process that was killed can be
            dropped later; None notes nothing.

    Raises:
        UsageError: ``uri`` is none of these, or has a password in it.
    """

    def __init__(
        self, uri: str, *, token: str | None = None, timeout_s: float = 10.0, folder: Path | None = None
    ) -> None:
        self._connection = MilvusConnection(uri, token=token, timeout_s=timeout_s)
        self._call = self._connection.call
        self._leases = Leases(folder, self.address) if folder is not None else None
        self._has_cleaned = False
        self._dropping: list[threading.Thread] = []

    @property
    def address(self) -> str:
        """What may be printed of the URI."""
        return self._connection.address

    def create(self, dim: int, kind: Kind) -> Collection:
        """An empty collection, ready to be searched."""
        if not self._has_cleaned:
            self.drop_left_behind()
        name = f"{_PREFIX}{secrets.token_hex(16)}"
        lease = self._leases.take(name) if self._leases is not None else None
        made = Collection(name, kind, random_turn(dim), lease)
        client, types = pymilvus().MilvusClient, pymilvus().DataType
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("row", types.INT64, is_primary=True)
        schema.add_field("ends_s", types.DOUBLE)
        schema.add_field("vector", types.FLOAT_VECTOR, dim=dim)
        index = client.prepare_index_params()
        index.add_index("vector", index_type=kind, metric_type="IP", params=_BUILD[kind])
        what = "make a collection"
        try:
            # nobody else writes to it: what this process was told is done is what it must see
            self._call(what, "create_collection", name, schema=schema, consistency_level="Session")
            # there is nothing to be coded yet, so nothing to wait for
            self._call(what, "create_index", name, index, sync=False)
            self._call(what, "load_collection", name)
        except IndexUnavailable:
            self.drop(made, is_there=False)
            raise
        return made

    def insert(self, at: Collection, numbers: Int64, templates: Float32, ends_s: Float64) -> None:
        """Add rows; searches see them when this returns."""
        step = max(1, _BYTES_AT_ONCE // (4 * templates.shape[1] + 32))
        until_s = np.clip(ends_s, -_NEVER_S, _NEVER_S)
        for start in range(0, len(numbers), step):
            part = slice(start, start + step)
            columns = numbers[part].tolist(), until_s[part].tolist(), at.turned(templates[part])
            rows = [
                {"row": number, "ends_s": end_s, "vector": vector}
                for number, end_s, vector in zip(*columns, strict=True)
            ]
            self._call("add to a collection", "insert", at.name, rows)

    def delete(self, at: Collection, numbers: Int64) -> None:
        """Delete rows, also such as are not there; no search sees them when this returns."""
        for ids in _some(numbers):
            self._call("delete from a collection", "delete", at.name, ids=ids)

    def search(
        self, at: Collection, probes: Float32, *, count: int, now_s: float
    ) -> Iterator[tuple[Int64, Float64]]:
        """The nearest rows of each probe that may be returned at that moment, best first: numbers, and scores.

        Args:
            at: where.
            probes: (Q, dim) float32, unit norm, as they are.
            count: of rows for each probe, at most ``MAX_CANDIDATES``.
            now_s: seconds since the epoch; rows whose consent ended by then are left out inside the search.
        """
        turned = at.turned(probes)
        for start in range(0, len(turned), _PROBES_AT_ONCE):
            found = self._call(
                "search a collection",
                "search",
                at.name,
                data=list(turned[start : start + _PROBES_AT_ONCE]),
                anns_field="vector",
                filter=f"ends_s > {float(np.clip(now_s, -_NEVER_S, _NEVER_S))!r}",
                limit=count,
                search_params={"metric_type": "IP", "params": _effort(at.kind, count)},
                consistency_level="Session",
            )
            for hits in found:
                yield np.array(hits.ids, np.int64), np.array(hits.distances, np.float64)

    def fetch(self, at: Collection, numbers: Int64) -> tuple[Int64, Float32]:
        """Rows as Milvus has them, those that are there, in any order: numbers, and turned vectors."""
        found: list[dict[str, Any]] = []
        for ids in _some(numbers):
            found += self._call(
                "read from a collection",
                "query",
                at.name,
                filter=f"row in {ids}",
                output_fields=["row", "vector"],
                consistency_level="Session",
            )
        vectors = np.array([row["vector"] for row in found], np.float32).reshape(-1, len(at.turn))
        return np.array([row["row"] for row in found], np.int64), vectors

    def count(self, at: Collection) -> int:
        """How many rows Milvus has."""
        [row] = self._call(
            "count a collection",
            "query",
            at.name,
            filter="",
            output_fields=["count(*)"],
            consistency_level="Session",
        )
        return int(row["count(*)"])

    def flush(self, at: Collection) -> None:
        """Have what was added written, and then coded for search."""
        # a cluster may take one flush in ten seconds: who asks too often is told, and does not wait
        self._call("flush a collection", "flush", at.name, retry_on_rate_limit=False)

    def compact(self, at: Collection) -> None:
        """Have deleted rows left out of what is written."""
        self.flush(at)
        self._call("compact a collection", "compact", at.name)

    def drop(self, at: Collection, *, is_there: bool = True) -> bool:
        """Drop a collection, and say whether that was done; where it was not, that is done later.

        Args:
            at: which.
            is_there: False where it is known that Milvus does not answer.
        """
        is_dropped = is_there and self._drop(at.name)
        if at.lease is not None:
            at.lease.give_back(is_dropped=is_dropped)
        if not is_dropped:
            self._has_cleaned = False
        return is_dropped

    def drop_all(self, collections: list[Collection]) -> bool:
        """Drop collections, and take them from the list; whether Milvus answered."""
        is_there = not self._connection.is_ending
        with suppress(IndexError):  # another thread may be at the same list
            while True:
                is_there = self.drop(collections.pop(), is_there=is_there)
        return is_there

    def drop_soon(self, collections: list[Collection]) -> None:
        """The same in a thread, for which ``close`` waits."""
        dropping = threading.Thread(
            target=self.drop_all, args=(collections,), name="assent-milvus-drop", daemon=True
        )
        self._dropping = [thread for thread in self._dropping if thread.is_alive()] + [dropping]
        with suppress(RuntimeError):  # the process is ending: the next one drops them
            dropping.start()

    def drop_left_behind(self) -> int:
        """Drop the collections of processes of this data folder that ended without; how many were dropped."""
        count = 0
        for lease in self._leases.left_behind() if self._leases is not None else ():
            is_dropped = self._drop(lease.name)
            lease.give_back(is_dropped=is_dropped)
            if not is_dropped:
                return count
            count += 1
        self._has_cleaned = True
        return count

    def close(self) -> None:
        """Close the connection; it is opened again when needed."""
        for thread in self._dropping:
            if thread.is_alive():
                thread.join()
        self._connection.close()

    def _drop(self, name: str) -> bool:
        with suppress(IndexUnavailable, Gone):
            self._call("drop a collection", "drop_collection", name, timeout_s=_DROP_TIMEOUT_S)
            return True
        return False


def _some(numbers: Int64) -> Iterator[list[int]]:
    for start in range(0, len(numbers), _NUMBERS_AT_ONCE):
        yield numbers[start : start + _NUMBERS_AT_ONCE].tolist()


def _effort(kind: Kind, count: int) -> dict[str, int]:
    """How far a graph is searched for so many rows."""
    if kind in ("HNSW", "HNSW_SQ"):
        return {"ef": max(256, 2 * count)}
    return {"search_list": max(200, 2 * count)} if kind == "DISKANN" else {}
