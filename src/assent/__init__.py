"""Face matching for people who said yes.

``from assent import Assent`` opens a data folder; everything the command line does is a method of it.
Names are loaded on first use, so that ``import assent`` (and ``assent --help``) stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assent.version import __version__

if TYPE_CHECKING:
    from assent.config import Settings
    from assent.service import Assent

__all__ = ["Assent", "Settings", "__version__"]


def __getattr__(name: str) -> object:
    """Load a public name on first use (PEP 562)."""
    if name == "Assent":
        from assent.service import Assent

        return Assent
    if name == "Settings":
        from assent.config import Settings

        return Settings
    raise AttributeError(f"module 'assent' has no attribute {name!r}")
