"""Videos in the console, in a real browser: sent, watched, decided about, played, downloaded, destroyed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e import consoles
from tests.e2e.consoles import PHONE, PURPOSE, Stage, assert_accessible, axe_script

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.skipif(bool(consoles.why_no_browser()), reason=consoles.why_no_browser())


def shot(page: Page, name: str) -> None:
    if os.environ.get("SHOTS"):
        page.screenshot(path=f"{os.environ['SHOTS']}/{name}.png", full_page=True)


def send(page: Page, clip: Path, what: str) -> str:
    """From any page to the new video's; its address."""
    page.get_by_role("link", name="Videos").first.click()
    page.get_by_role("link", name="Send a video").click()
    page.get_by_label(what).check()
    page.get_by_label("Video", exact=True).set_input_files(clip)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("The video is here").wait_for()
    return page.url


def until(page: Page, condition: str) -> None:
    """Wait; the page's own policy forbids the evaluating that Playwright's way of waiting takes."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def loaded(page: Page) -> list[list[Any]]:
    """Width, length in seconds and trouble of each video of the page, once they can be played."""
    until(page, "[...document.querySelectorAll('video')].every((video) => video.readyState >= 2)")
    found: list[list[Any]] = page.evaluate(
        "[...document.querySelectorAll('video')].map((v) => [v.videoWidth, Math.round(v.duration * 10) / 10, v.error])"
    )
    return found


def brightness(page: Page, which: int, at_s: float) -> list[float]:
    """Luma of a moment of a video as the browser shows it, in 80 x 60 cells."""
    script = """async ([which, at]) => {
      const video = document.querySelectorAll("video")[which];
      const sought = new Promise((done) => video.addEventListener("seeked", done, {once: true}));
      video.currentTime = at;
      await sought;
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [80, 60];
      const context = canvas.getContext("2d");
      context.drawImage(video, 0, 0, 80, 60);
      return [...context.getImageData(0, 0, 80, 60).data].filter((_, i) => i % 4 === 1);
    }"""
    found: list[float] = page.evaluate(script, [which, at_s])
    return found


@pytest.mark.slow
def test_a_video_from_upload_to_download_by_mouse_and_keyboard(
    stage: Stage, shared_data: Path, tmp_path: Path
) -> None:
    clip, script = shared_data / "video" / "milk.mkv", axe_script()
    page = stage.page("enroller")
    address = send(page, clip, "Hide everyone")
    page.get_by_text("It waits for its turn").wait_for()
    assert_accessible(page, script)
    assert stage.assent.worker().work_once()
    page.get_by_role("heading", name="Before and after").wait_for()  # the page has looked again by itself
    page.wait_for_url("**?again=*")
    [before, after] = loaded(page)
    assert (before[0], after[0], before[1], after[2]) == (640, 640, after[1], None)
    num_faces = page.locator(".tracks > li").count()
    assert num_faces >= 1
    assert page.locator(".timeline tbody tr").count() == num_faces
    page.evaluate("document.querySelectorAll('.strip').forEach((image) => image.loading = 'eager')")
    until(page, "[...document.images].every((image) => image.complete && image.naturalWidth >= 112)")
    covered = brightness(page, 1, 0.8)
    difference = max(abs(a - b) for a, b in zip(brightness(page, 0, 0.8), covered, strict=True))
    assert difference > 25, "somebody is hidden in the copy"

    page.get_by_role("button", name="Play both").click()
    until(page, "[...document.querySelectorAll('video')].every((video) => video.currentTime > 0.1)")

    page.locator("#track-0 input[value=hide]").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#track-0-keep").is_checked()
    consoles.tab_to(page, "Make the copy anew", role="BUTTON")
    page.keyboard.press("Enter")
    page.get_by_text("got 1 that none has").wait_for()
    assert page.locator("#track-0-keep").is_checked()
    page.get_by_label("I know whom I leave visible by hand").check()
    page.get_by_role("button", name="Make the copy anew").click()
    page.get_by_text("The copy is being made anew").wait_for()
    assert stage.assent.worker().work_once()
    page.goto(address)
    page.get_by_text("Decided by hand").wait_for()
    loaded(page)
    at_s = 0.8
    original, copied = (brightness(page, which, at_s) for which in (0, 1))
    if num_faces == 1:
        assert max(abs(a - b) for a, b in zip(original, copied, strict=True)) < difference / 2
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the copy").click()
    download.value.save_as(tmp_path / "got.mp4")
    assert download.value.suggested_filename == "redacted.mp4"
    assert (tmp_path / "got.mp4").read_bytes()[4:8] == b"ftyp"

    page.set_viewport_size({"width": 360, "height": 740})
    for path in (address, f"{stage.address}/videos", f"{stage.address}/videos/new", f"{address}/delete"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert_accessible(page, script)
    page.get_by_role("button", name="Delete").click()
    page.get_by_text("are destroyed").wait_for()
    assert list(stage.assent.settings.jobs_path.iterdir()) == []
    kinds = [entry["kind"] for entry in stage.assent.log()]
    assert kinds[-5:] == ["job.queued", "job.ended", "video.edited", "job.ended", "job.deleted"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"java_script_enabled": False}, id="without scripts"),
        pytest.param({**PHONE, "color_scheme": "dark"}, id="phone, dark"),
    ],
)
def test_whoever_agreed_is_named_and_kept_until_they_withdraw(
    stage: Stage, demo_photos: Path, short_clip: Path, options: dict[str, Any]
) -> None:
    stage.assent.collections.create("club", purpose=PURPOSE)
    stage.enrol("ana", [demo_photos / "obama.jpg", demo_photos / "obama2.jpg"])
    page = stage.page("searcher", **options)
    address = send(page, short_clip, "Find who of them is in it")
    shot(page, f"waiting-{len(options)}")
    assert stage.assent.worker().work_once()
    page.get_by_text("No copy is made yet").wait_for()  # by itself, with and without scripts
    page.get_by_text("Ana Test").first.wait_for()
    page.get_by_text("At most one stranger in 100,000 would score this high").wait_for()
    shot(page, f"found-{len(options)}")
    page.get_by_role("button", name="Make the copy").click()
    page.get_by_text("The copy is being made anew").wait_for()
    assert stage.assent.worker().work_once()
    page.get_by_text("After: 1 face hidden, 1 visible").wait_for()
    shot(page, f"done-{len(options)}")
    page.get_by_role("link", name="Play from there").nth(1).click()
    assert "at=" in page.url
    if "color_scheme" in options:
        until(page, "document.querySelector('video').currentTime > 0.5")
        assert_accessible(page, axe_script())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    [consent] = stage.assent.consents.list()
    stage.assent.consents.withdraw(consent.id)
    page.goto(address)
    page.get_by_text("somebody who was shown in it agrees no longer").wait_for()
    assert "Ana" not in page.locator("main").inner_text()
    assert page.locator("#track-0 input").count() == 0
    shot(page, f"withdrawn-{len(options)}")
