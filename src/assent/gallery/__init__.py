"""Galleries: templates held in memory, searched exactly."""

from assent.gallery.exact import ExactIndex
from assent.gallery.index import Hit, Index

__all__ = ["ExactIndex", "Hit", "Index"]
