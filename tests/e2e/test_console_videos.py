"""Videos in the console, in a real browser: sent, watched, decided about, played, downloaded, destroyed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e import consoles
from tests.e2e.consoles import PHONE, PURPOSE, Stage

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.skipif(bool(consoles.why_no_browser()), reason=consoles.why_no_browser())


def shot(page: Page, name: str) -> None:
    if os.environ.get("SHOTS"):
        page.screenshot(path=f"{os.environ['SHOTS']}/{name}.png", full_page=True)


def send(page: Page, clip: Path, what: str) -> None:
    page.get_by_role("link", name="Videos").first.click()
    page.get_by_role("link", name="Send a video").click()
    page.get_by_label(what).check()
    page.locator("#video").set_input_files(clip)
    shot(page, "new")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("The video is here").wait_for()


def test_look(stage: Stage, demo_photos: Path, short_clip: Path) -> None:
    if not os.environ.get("SHOTS"):
        pytest.skip("looking")
    stage.assent.collections.create("club", purpose=PURPOSE)
    stage.enrol("ana", [demo_photos / "obama.jpg", demo_photos / "obama2.jpg"])
    folder = os.environ["SHOTS"]
    for name, options in (("d", {}), ("p", {**PHONE, "color_scheme": "dark"})):
        page = stage.page(**options)
        send(page, short_clip, "Hide everyone but")
        shot(page, f"{name}-waiting")
        assert stage.assent.worker().work_once()
        page.goto(page.url.partition("?")[0])
        page.wait_for_timeout(1500)
        print([page.evaluate("[...document.querySelectorAll('video')].map(v => [v.readyState, v.duration, v.error && v.error.message])")])
        shot(page, f"{name}-done")
        url = page.url
        page.goto(f"{stage.address}/videos")
        shot(page, f"{name}-list")
        page.goto(f"{stage.address}/videos/new")
        shot(page, f"{name}-new")
        page.goto(url + "/delete")
        shot(page, f"{name}-delete")
