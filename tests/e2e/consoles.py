"""A console on a port of this machine, and a headless Chromium in front of it."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette

from assent import Assent
from assent.console import console_routes
from assent.store.access import NewAccessKey

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1200, "height": 800}


def why_no_browser() -> str:
    """Why browser tests cannot run here; empty where they can."""
    if not Path(CHROMIUM).exists() and shutil.which("chromium") is None:
        return "chromium is not installed (Debian: apt-get install chromium)"
    return ""


@contextmanager
def serve(assent: Assent) -> Iterator[str]:
    """The console of an open data folder, on a free port; its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(Starlette(routes=console_routes(assent)), log_level="warning", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


@contextmanager
def browse(
    playwright: Playwright, folder: Path, *arguments: str, **options: object
) -> Iterator[BrowserContext]:
    """A new browser with a profile of its own; nothing of another is in it."""
    context = playwright.chromium.launch_persistent_context(
        folder, executable_path=CHROMIUM, args=[*ARGUMENTS, *arguments], headless=True, **options
    )
    context.set_default_timeout(20_000)
    try:
        yield context
    finally:
        context.close()


def sign_in(page: Page, address: str, key: NewAccessKey) -> None:
    """Come in by the door."""
    page.goto(f"{address}/sign-in")
    page.get_by_label("Key").fill(key.key.id)
    page.get_by_label("Secret").fill(key.secret)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="What is here").wait_for()
