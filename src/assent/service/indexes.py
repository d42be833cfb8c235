"""Which kind of index galleries are put into."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from assent.config import Settings
from assent.errors import UsageError
from assent.gallery import ExactIndex, FaissIndex, Index, MilvusIndex, MilvusServer
from assent.gallery.milvus_server import Kind

IndexKind = Literal["auto", "exact", "faiss", "milvus"]

_EXTRAS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"faiss": ("faiss", "assent[scale]"), "milvus": ("pymilvus", "assent[milvus]")}
)


class Indexes:
    """Makes empty indexes of one kind, and closes them all.

    Args:
        kind: ``auto`` takes FAISS where it is installed, exact search elsewhere.
        folder: where templates of large galleries may be kept, encrypted, while they are in use; None keeps them in
            memory.
        server: the Milvus; needed for ``milvus``.
        milvus_kind: how Milvus searches.

    Raises:
        UsageError: what this kind needs is not installed.
    """

    def __init__(
        self,
        kind: IndexKind = "auto",
        *,
        folder: Path | None = None,
        server: MilvusServer | None = None,
        milvus_kind: Kind = "FLAT",
    ) -> None:
        if kind in _EXTRAS:
            module, extra = _EXTRAS[kind]
            if find_spec(module) is None:
                raise UsageError(f"index={kind} needs {module}; run: pip install '{extra}'")
        if kind == "auto":
            kind = "exact" if find_spec("faiss") is None else "faiss"
        self._kind, self._folder, self._server, self._milvus_kind = kind, folder, server, milvus_kind
        self._made: weakref.WeakSet[Index] = weakref.WeakSet()

    @classmethod
    def of(cls, settings: Settings) -> Indexes:
        """As the settings say.

        Raises:
            UsageError: they do not go together, or what they need is not installed.
        """
        server = None
        if settings.index == "milvus":
            if settings.milvus_uri is None:
                raise UsageError(
                    "index=milvus needs the address of Milvus; set ASSENT_MILVUS_URI, e.g. to http://127.0.0.1:19530"
                )
            token = settings.milvus_token
            server = MilvusServer(
                settings.milvus_uri,
                token=token.get_secret_value() if token is not None else None,
                timeout_s=settings.milvus_timeout_s,
                folder=settings.data_dir / "milvus",
            )
        return cls(settings.index, folder=settings.data_dir, server=server, milvus_kind=settings.milvus_index)

    def make(self, dim: int) -> Index:
        """An empty index for templates of so many numbers."""
        index = self._new(dim)
        self._made.add(index)
        return index

    def close(self) -> None:
        """Close all that were made and are still about."""
        for index in list(self._made):
            index.close()
        if self._server is not None:
            self._server.close()

    def _new(self, dim: int) -> Index:
        if self._kind == "exact":
            return ExactIndex(dim)
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._kind == "milvus" and self._server is not None:
            return MilvusIndex(dim, server=self._server, folder=self._folder, kind=self._milvus_kind)
        return FaissIndex(dim, folder=self._folder)
