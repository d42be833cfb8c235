"""Galleries: templates held in memory or by a server, searched for the most similar ones."""

from assent.gallery.exact import ExactIndex
from assent.gallery.faiss_index import FaissIndex
from assent.gallery.index import Hit, Index, Rows
from assent.gallery.milvus_index import MilvusIndex
from assent.gallery.milvus_server import MilvusServer
from assent.gallery.snapshot import Saved, Seal

__all__ = [
    "ExactIndex",
    "FaissIndex",
    "Hit",
    "Index",
    "MilvusIndex",
    "MilvusServer",
    "Rows",
    "Saved",
    "Seal",
]
