"""A console on a port of this machine, and a headless Chromium in front of it."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from starlette.applications import Starlette

from assent import Assent
from assent.console import console_routes
from assent.store.access import NewAccessKey
from tests.builders import agree
from tests.e2e.ports import listening

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

PURPOSE = "club-photos"
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1200, "height": 800}}
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
CAMERA = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]


def why_no_browser() -> str:
    """Why browser tests cannot run here; empty where they can."""
    if not Path(CHROMIUM).exists() and shutil.which("chromium") is None:
        return "chromium is not installed (Debian: apt-get install chromium)"
    return ""


def serve(assent: Assent) -> AbstractContextManager[str]:
    """The console of an open data folder, on a free port; its address."""
    return listening(Starlette(routes=console_routes(assent)))


@dataclass
class Watch:
    """What a page did that it should not have.

    Attributes:
        address: the console's; everything else is another host.
        errors: scripts that broke, and the browser's complaints.
        elsewhere: requests to other hosts.
    """

    address: str
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def over(self, page: Page) -> Page:
        """Watch a page from now on."""
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._heard)
        page.on("request", lambda request: self._asked(request.url))
        return page

    def _heard(self, message: ConsoleMessage) -> None:
        # A refusal that was provoked is a page like any other; the browser writes its status down.
        is_refusal = "status of 4" in message.text
        if message.type in ("error", "warning") and not is_refusal:
            self.errors.append(message.text)

    def _asked(self, url: str) -> None:
        if not url.startswith((f"{self.address}/", "data:", "blob:")):
            self.elsewhere.append(url)


def sign_in(page: Page, address: str, key: NewAccessKey) -> None:
    """Come in by the door."""
    page.goto(f"{address}/sign-in")
    page.get_by_label("Key").fill(key.key.id)
    page.get_by_label("Secret").fill(key.secret)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="What is here").wait_for()


def tab_to(page: Page, name: str, *, role: str = "") -> None:
    """Press Tab until what is called ``name`` has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        found: str = page.evaluate(_FOCUSED)
        if name in found and role in found:
            return
    raise AssertionError(f"{name} cannot be reached by keyboard on {page.url}")


def press_access_key(page: Page, key: str) -> None:
    """Alt and a key, as a keyboard sends them; Playwright's own ``press`` leaves out which letter that would be."""
    session = page.context.new_cdp_session(page)
    fields = {"modifiers": 1, "key": key, "code": f"Digit{key}", "windowsVirtualKeyCode": ord(key)}
    session.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", "unmodifiedText": key, **fields})
    session.send("Input.dispatchKeyEvent", {"type": "char", "text": key, "unmodifiedText": key, **fields})
    session.send("Input.dispatchKeyEvent", {"type": "keyUp", **fields})


_FOCUSED = """() => {
  const at = document.activeElement;
  const labels = [...(at.labels ?? [])].map((label) => label.textContent);
  return [at.tagName, at.getAttribute("aria-label") ?? "", ...labels, at.textContent].join(" ");
}"""


def make_video(photo: Path, video: Path) -> Path:
    """A film for Chromium's pretended camera: one portrait, standing still, as Motion JPEG."""
    picture = Image.open(photo).convert("RGB")
    picture.thumbnail((640, 480))
    frame = Image.new("RGB", (640, 480), (128, 128, 128))
    frame.paste(picture, ((640 - picture.width) // 2, (480 - picture.height) // 2))
    buffer = io.BytesIO()
    frame.save(buffer, format="JPEG", quality=95)
    video.write_bytes(buffer.getvalue() * 30)
    return video


@dataclass
class Stage:
    """A console, and browsers that are watched."""

    assent: Assent
    address: str
    watch: Watch
    browser: Browser

    def page(self, *roles: str, holder: str = "ada", **options: Any) -> Page:
        """A new profile's page, signed in."""
        page = self.blank(self.browser, **options)
        sign_in(page, self.address, self.assent.access.make(holder, roles or ("admin",)))
        return page

    def blank(self, browser: Browser, **options: Any) -> Page:
        context = browser.new_context(**{**DESKTOP, **options})
        context.set_default_timeout(20_000)
        return self.watch.over(context.new_page())

    def enrol(
        self, ref: str, photos: list[Path], *, collection: str = "club", purpose: str = PURPOSE
    ) -> None:
        agree(self.assent, ref, purpose=purpose)
        for photo in photos:
            self.assent.enrol(photo, person=ref, collection=collection)


def axe_script() -> str:
    spec = importlib.util.find_spec("axe_core_python")
    assert spec
    assert spec.origin
    return (Path(spec.origin).parent / "axe.min.js").read_text("utf-8")


def assert_accessible(page: Page, script: str) -> None:
    page.evaluate(script)
    options = "{resultTypes: ['violations'], rules: {'region': {enabled: true}}}"
    found: Any = page.evaluate(f"axe.run(document, {options}).then((found) => found.violations)")
    problems = [(item["id"], [node["html"][:120] for node in item["nodes"]]) for item in found]
    assert problems == [], page.url
