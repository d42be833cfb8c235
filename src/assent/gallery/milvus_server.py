"""A Milvus, as far as an index needs it: collections of turned vectors under numbers, each call with an end.

Nothing that names anybody goes there, and no template as it is: see ``assent.gallery.milvus_index``.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import numpy as np

from assent.errors import IndexUnavailable, UsageError
from assent.gallery.milvus_leases import Lease, Leases
from assent.types import Float32, Float64, Int64

Kind = Literal["FLAT", "HNSW", "HNSW_SQ", "DISKANN"]
"""How Milvus searches: all compared; a graph over templates in memory; over bytes of them; on its disks."""

MAX_CANDIDATES = 16_384
"""Milvus gives no more for one vector."""
_BUILD: dict[Kind, dict[str, Any]] = {
    "FLAT": {},
    "HNSW": {"M": 32, "efConstruction": 360},
    "HNSW_SQ": {"M": 32, "efConstruction": 360, "sq_type": "SQ8", "refine": True, "refine_type": "FP32"},
    "DISKANN": {},
}
_PREFIX = "assent_"
_NEVER_S = 1e18
"""Milvus takes no infinity."""
_BYTES_AT_ONCE = 8 * 2**20
_NUMBERS_AT_ONCE = 4096
_PROBES_AT_ONCE = 100
_PAUSE_S = 0.5
"""After a failed connection others that waited for it are told so, instead of each waiting as long."""
_DROP_TIMEOUT_S = 5.0
"""Who closes does not wait for long: what is left is dropped by the next process."""
_NOT_FOUND, _NOT_LOADED, _NOT_CONNECTED = 100, 101, 2

_T = TypeVar("_T")


class Gone(Exception):  # noqa: N818 - says what is wrong, as all here
    """The collection is not there any more; for the index to say in its own words."""


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


@cache
def pymilvus() -> Any:
    """The library, loaded when first needed, without what it does to a process that loads it.

    Raises:
        UsageError: it is not installed.
    """
    before = set(os.environ)
    try:
        import pymilvus as module
    except ModuleNotFoundError as error:
        raise UsageError("Milvus needs pymilvus; run: pip install 'assent[milvus]'") from error
    finally:
        # it reads a file .env that lies about
        for name in set(os.environ) - before:
            del os.environ[name]
    # it prints every failure, at length, to the terminal; here a failure is an error, said once
    for name in ("pymilvus", "pymilvus.milvus_client", "pymilvus.bulk_writer"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.CRITICAL + 1)
    return module


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
        self._uri, self._token = uri, token or ""
        self.address = _address(uri)
        self._timeout_s = timeout_s
        self._leases = Leases(folder, self.address) if folder is not None else None
        self._lock = threading.Lock()
        self._client: Any = None
        self._failed_at_s = -_PAUSE_S
        self._has_cleaned = False

    def create(self, dim: int, kind: Kind) -> Collection:
        """An empty collection, ready to be searched. Raises ``IndexUnavailable``."""
        if not self._has_cleaned:
            self.drop_left_behind()
        name = f"{_PREFIX}{secrets.token_hex(16)}"
        lease = self._leases.take(name) if self._leases is not None else None
        made = Collection(name, kind, random_turn(dim), lease)

        def create(client: Any) -> None:
            types = pymilvus().DataType
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("row", types.INT64, is_primary=True)
            schema.add_field("ends_s", types.DOUBLE)
            schema.add_field("vector", types.FLOAT_VECTOR, dim=dim)
            # nobody else writes to it: what this process was told is done is what it must see
            client.create_collection(
                name, schema=schema, consistency_level="Session", timeout=self._timeout_s
            )
            index = client.prepare_index_params()
            index.add_index("vector", index_type=kind, metric_type="IP", params=_BUILD[kind])
            # there is nothing to be coded yet, so nothing to wait for
            client.create_index(name, index, timeout=self._timeout_s, sync=False)
            client.load_collection(name, timeout=self._timeout_s)

        try:
            self._call("make a collection", create)
        except IndexUnavailable:
            self.drop(made)
            raise
        return made

    def insert(self, at: Collection, numbers: Int64, templates: Float32, ends_s: Float64) -> None:
        """Add rows; searches see them when this returns. Raises ``IndexUnavailable``, ``Gone``."""
        step = max(1, _BYTES_AT_ONCE // (4 * templates.shape[1] + 32))
        until_s = np.clip(ends_s, -_NEVER_S, _NEVER_S)
        for start in range(0, len(numbers), step):
            part = slice(start, start + step)
            rows = [
                {"row": number, "ends_s": end_s, "vector": vector}
                for number, end_s, vector in zip(
                    numbers[part].tolist(), until_s[part].tolist(), at.turned(templates[part]), strict=True
                )
            ]
            self._call(
                "add to it",
                lambda client, rows=rows: client.insert(at.name, rows, timeout=self._timeout_s),
                at,
            )

    def delete(self, at: Collection, numbers: Int64) -> None:
        """Delete rows, those that are not there, too; no search sees them when this returns.

        Raises ``IndexUnavailable``, ``Gone``.
        """
        for start in range(0, len(numbers), _NUMBERS_AT_ONCE):
            ids = numbers[start : start + _NUMBERS_AT_ONCE].tolist()
            self._call(
                "delete from it",
                lambda client, ids=ids: client.delete(at.name, ids=ids, timeout=self._timeout_s),
                at,
            )

    def search(
        self, at: Collection, probes: Float32, *, count: int, now_s: float
    ) -> Iterator[tuple[Int64, Float64]]:
        """The nearest rows of each probe that may be returned at that moment, best first: numbers, and scores.

        Args:
            at: where.
            probes: (Q, dim) float32, unit norm, as they are.
            count: of rows for each probe, at most ``MAX_CANDIDATES``.
            now_s: seconds since the epoch; rows whose consent ended by then are left out inside the search.

        Raises:
            IndexUnavailable: no answer.
            Gone: the collection is not there.
        """
        turned = at.turned(probes)
        for start in range(0, len(turned), _PROBES_AT_ONCE):
            part = turned[start : start + _PROBES_AT_ONCE]

            def search(client: Any, part: Float32 = part) -> Any:
                return client.search(
                    at.name,
                    data=list(part),
                    anns_field="vector",
                    filter=f"ends_s > {float(np.clip(now_s, -_NEVER_S, _NEVER_S))!r}",
                    limit=count,
                    search_params={"metric_type": "IP", "params": _effort(at.kind, count)},
                    consistency_level="Session",
                    timeout=self._timeout_s,
                )

            for hits in self._call("search it", search, at):
                yield np.array(hits.ids, np.int64), np.array(hits.distances, np.float64)

    def fetch(self, at: Collection, numbers: Int64) -> tuple[Int64, Float32]:
        """Rows as Milvus has them, those that are there: numbers, and turned vectors."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(numbers), _NUMBERS_AT_ONCE):
            ids = numbers[start : start + _NUMBERS_AT_ONCE].tolist()
            found += self._call(
                "read from it",
                lambda client, ids=ids: client.query(
                    at.name,
                    filter=f"row in {ids}",
                    output_fields=["row", "vector"],
                    consistency_level="Session",
                    timeout=self._timeout_s,
                ),
                at,
            )
        vectors = np.array([row["vector"] for row in found], np.float32).reshape(-1, len(at.turn))
        return np.array([row["row"] for row in found], np.int64), vectors

    def count(self, at: Collection) -> int:
        """How many rows Milvus has. Raises ``IndexUnavailable``, ``Gone``."""
        [row] = self._call(
            "count what is in it",
            lambda client: client.query(
                at.name,
                filter="",
                output_fields=["count(*)"],
                consistency_level="Session",
                timeout=self._timeout_s,
            ),
            at,
        )
        return int(row["count(*)"])

    def flush(self, at: Collection) -> None:
        """Have what was added written, and then coded for search. Raises ``IndexUnavailable``, ``Gone``."""
        self._call("flush it", lambda client: client.flush(at.name, timeout=self._timeout_s))

    def compact(self, at: Collection) -> None:
        """Have deleted rows left out of what is written. Raises ``IndexUnavailable``, ``Gone``."""
        self.flush(at)
        self._call("compact it", lambda client: client.compact(at.name, timeout=self._timeout_s))

    def drop(self, at: Collection, *, is_there: bool = True) -> bool:
        """Drop a collection, and say whether that was done; where it was not, a later process does.

        Args:
            at: which.
            is_there: False where it is known that Milvus does not answer.
        """
        is_dropped = is_there and self._drop(at.name)
        if at.lease is not None:
            at.lease.give_back(is_dropped=is_dropped)
        return is_dropped

    @property
    def is_ending(self) -> bool:
        """Whether this is Milvus Lite, in this process, and the process is ending: it answers no more."""
        return self._uri.endswith(".db") and not threading.main_thread().is_alive()

    def drop_left_behind(self) -> int:
        """Drop the collections of processes of this data folder that ended without; how many there were."""
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
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _drop(self, name: str) -> bool:
        with suppress(IndexUnavailable, Gone):
            timeout_s = min(self._timeout_s, _DROP_TIMEOUT_S)
            self._call("drop it", lambda client: client.drop_collection(name, timeout=timeout_s))
            return True
        return False

    def _call(self, what: str, step: Callable[[Any], _T], at: Collection | None = None) -> _T:
        client = self._connected()
        library = pymilvus()
        try:
            return step(client)
        except library.MilvusException as error:
            if error.code == _NOT_FOUND:
                raise Gone from error
            if error.code == _NOT_LOADED and at is not None:
                name = at.name
                self._call(what, lambda client: client.load_collection(name, timeout=self._timeout_s))
                return self._call(what, step)
            is_lost = error.code == _NOT_CONNECTED or not isinstance(error.code, int)
            if is_lost:
                self._forget(client)
            reason = "no answer in time" if is_lost else _reason(error.message)
            raise self._refusal(what, reason) from error
        except Exception as error:
            if not _is_rpc_error(error):
                raise
            self._forget(client)
            raise self._refusal(what, "no answer in time") from error

    def _connected(self) -> Any:
        with self._lock:
            if self._client is not None:
                return self._client
            library = pymilvus()
            if time.monotonic() - self._failed_at_s < _PAUSE_S:
                raise self._refusal("connect", "no answer")
            try:
                self._client = library.MilvusClient(
                    self._uri, token=self._token, timeout=self._timeout_s, dedicated=True
                )
            except library.MilvusException as error:
                self._failed_at_s = time.monotonic()
                raise self._refusal("connect", "no answer") from error
            except Exception as error:
                if not _is_rpc_error(error):
                    raise
                self._failed_at_s = time.monotonic()
                raise self._refusal("connect", "no answer in time") from error
            return self._client

    def _forget(self, client: Any) -> None:
        """Connect anew next time: the one that failed may never come back."""
        with self._lock:
            if self._client is client:
                self._client = None
        client.close()

    def _refusal(self, what: str, reason: str) -> IndexUnavailable:
        return IndexUnavailable(
            f"cannot {what} in Milvus at {self.address}: {reason}; see that it runs and can be reached, "
            "nothing is lost meanwhile"
        )


def _effort(kind: Kind, count: int) -> dict[str, int]:
    """How far a graph is searched for so many rows."""
    if kind == "HNSW":
        return {"ef": max(256, 2 * count)}
    if kind == "HNSW_SQ":
        return {"ef": max(256, 2 * count), "refine_k": 2}
    return {"search_list": max(200, 2 * count)} if kind == "DISKANN" else {}


def _address(uri: str) -> str:
    """What may be printed of a URI."""
    if uri.endswith(".db") and "://" not in uri:
        return uri
    if uri.startswith("unix:"):
        return uri
    try:
        parts = urlsplit(uri)
        has_password = parts.username is not None or parts.password is not None
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError("milvus_uri must be like http://HOST:19530, got another; correct it") from error
    if has_password:
        raise UsageError("milvus_uri must have no user or password in it; put them in ASSENT_MILVUS_TOKEN")
    if parts.scheme not in ("http", "https", "tcp") or not host:
        raise UsageError(
            "milvus_uri must be like http://HOST:19530, https://HOST, unix:PATH, or a file that ends in .db; "
            "correct it"
        )
    return f"{host}:{port or (443 if parts.scheme == 'https' else 19530)}{parts.path.rstrip('/')}"


def _is_rpc_error(error: Exception) -> bool:
    import grpc

    return isinstance(error, grpc.RpcError | grpc.FutureTimeoutError)


def _reason(message: str) -> str:
    """The first line of what Milvus says, short."""
    return " ".join(message.split())[:200] or "it says no reason"
