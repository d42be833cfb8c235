"""``make bench``: every speed benchmark, one after the other."""

from __future__ import annotations

import sys

from benchmarks import embed, service


def main() -> int:
    """Run them.

    Returns:
        The exit code of the first that failed, else 0.
    """
    return next((code for code in (run([]) for run in (embed.main, service.main)) if code), 0)


if __name__ == "__main__":
    sys.exit(main())
