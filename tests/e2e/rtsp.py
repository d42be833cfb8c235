"""Starts and kills the real RTSP server (``rtsp_server.py``) where this machine has GStreamer's."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).with_name("rtsp_server.py")
_PYTHON = "/usr/bin/python3"
_CHECK = "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; Gst.init(None); [Gst.ElementFactory.make(n).name for n in ('matroskademux', 'h264parse', 'rtph264pay')]"  # noqa: E501


@cache
def missing() -> str | None:
    """Why there can be no server here; None where there can."""
    if shutil.which(_PYTHON) is None:
        return f"no {_PYTHON} with GStreamer's bindings"
    done = subprocess.run([_PYTHON, "-c", _CHECK], capture_output=True, timeout=60, check=False)
    if done.returncode:
        return (
            "no GStreamer RTSP server: apt install gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good "
            "gstreamer1.0-plugins-bad"
        )
    return None


def require() -> None:
    """Skip the test where there can be no server."""
    reason = missing()
    if reason:
        pytest.skip(reason)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def serving(clip: Path, port: int, *account: str) -> Iterator[subprocess.Popen[str]]:
    """Serve a clip (H.264 in Matroska) at rtsp://127.0.0.1:PORT/stream; ``account`` is a user and a password."""
    process = subprocess.Popen(
        [_PYTHON, str(_SCRIPT), str(port), str(clip), *account], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
