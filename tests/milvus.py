"""One Milvus Lite for each test process, in a folder of its own that goes with the process."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from assent.gallery import MilvusServer


@cache
def lite_folder() -> Path:
    """Where its files are."""
    folder = Path(tempfile.mkdtemp(prefix="assent-milvus-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _server() -> MilvusServer:
    return MilvusServer(str(lite_folder() / "lite.db"), timeout_s=20)


def lite() -> MilvusServer:
    """It, started when first asked for; skips with the reason where it is not installed."""
    for module in ("pymilvus", "milvus_lite"):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed: Milvus is not tested")
    return _server()
