"""The console in a real browser: by mouse, by keyboard alone, by camera, on a phone, and without scripts."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests.builders import agree
from tests.e2e import consoles
from tests.e2e.consoles import PHONE, Stage, assert_accessible, axe_script

if TYPE_CHECKING:
    from playwright.sync_api import Page, Playwright

pytestmark = pytest.mark.skipif(bool(consoles.why_no_browser()), reason=consoles.why_no_browser())
PURPOSE = "club-photos"


def picture(page: Page) -> Image.Image:
    """The picture of an answer."""
    source = page.locator("figure.answer img").get_attribute("src") or ""
    return Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))


def record_consent(page: Page, evidence: Path) -> None:
    """Both steps, from a person's page."""
    page.get_by_role("link", name="Record a consent").click()
    page.get_by_label("Purpose").fill(PURPOSE)
    page.get_by_label("Who is responsible").fill("Chess Club")
    page.get_by_label("Text", exact=True).fill("We keep a template of your face.\nSay no at any time.")
    page.get_by_label("Version").fill("2026-01")
    page.get_by_label("Last day").fill("2027-01-31")
    page.get_by_role("button", name="Show it to them").click()
    assert page.locator("pre.notice").inner_text() == "We keep a template of your face.\nSay no at any time."
    page.get_by_label("Evidence").set_input_files(evidence)
    page.get_by_label("On which day").fill("2026-01-15")
    page.get_by_role("button", name="Record the consent").click()
    page.get_by_text("Recorded: club-photos until 2027-01-31").wait_for()


def tell_story(page: Page, stage: Stage, photos: Path, group: Path) -> None:
    """From an empty console to a withdrawal, by mouse."""
    page.get_by_role("link", name="Collections").first.click()
    page.get_by_label("Name", exact=True).fill("club")
    page.get_by_label("Purpose").fill(PURPOSE)
    page.get_by_label("How wrong it may be").select_option("strict")
    page.get_by_role("button", name="Make").click()
    page.get_by_text("club is made").wait_for()
    page.get_by_role("link", name="People").first.click()
    page.get_by_label("Id", exact=True).fill("ana")
    page.get_by_label("Name", exact=True).fill("Ana Lovelace")
    page.get_by_role("button", name="Add").click()
    record_consent(page, photos / "biden.jpg")
    page.get_by_role("link", name="Add photos").click()
    page.locator("#photo").set_input_files([photos / "obama.jpg", photos / "obama2.jpg", group])
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("2 photos of this person in club now").wait_for()
    assert page.locator(".state-added").count() == 2
    page.get_by_text("2 faces were found, and it is not known whose is meant").wait_for()
    search(page, group)
    page.get_by_role("heading", name="1 face with candidates").wait_for()
    page.get_by_text("Ana Lovelace").wait_for()
    page.get_by_text("At most one stranger in").first.wait_for()
    page.get_by_text("In this gallery of 1, a search for somebody who is not in it").wait_for()
    page.get_by_text("1 face hidden").wait_for()
    withdraw(page)
    search(page, group)
    page.get_by_role("heading", name="No candidate").wait_for()
    page.get_by_text("2 faces hidden").wait_for()


def search(page: Page, photo: Path) -> None:
    page.get_by_role("link", name="Search", exact=True).first.click()
    page.locator("#photo").set_input_files(photo)
    page.get_by_role("button", name="Search").click()


def withdraw(page: Page) -> None:
    page.get_by_role("link", name="consent", exact=True).click()
    page.get_by_role("link", name="Withdraw").click()
    page.get_by_text("2 templates in club destroyed").wait_for()
    page.get_by_label("Reason").fill("moved away")
    page.get_by_role("button", name="Withdraw").click()
    page.get_by_role("heading", name="Receipt").wait_for()
    page.get_by_text("2 templates and the key").wait_for()


def test_the_whole_story_by_mouse(stage: Stage, demo_photos: Path, group_photo: Path) -> None:
    page = stage.page()
    tell_story(page, stage, demo_photos, group_photo)
    [consent] = stage.assent.consents.list()
    assert consent.withdrawal_reason == "moved away"
    assert stage.assent.consents.notice(consent.id).text.endswith("face.\nSay no at any time.")
    kinds = [entry["kind"] for entry in stage.assent.log()]
    assert kinds.count("search") == 2
    data = Path(stage.assent.settings.data_dir)
    assert not [path for path in data.rglob("*") if path.suffix in (".jpg", ".png", ".tmp")]


@pytest.mark.slow
def test_the_whole_story_without_scripts(stage: Stage, demo_photos: Path, group_photo: Path) -> None:
    page = stage.page(java_script_enabled=False)
    assert page.get_by_text("Use the camera").count() == 0
    tell_story(page, stage, demo_photos, group_photo)


def test_everyone_else_is_blurred_in_the_picture(stage: Stage, demo_photos: Path, group_photo: Path) -> None:
    stage.assent.collections.create("club", purpose=PURPOSE)
    stage.enrol("ana", [demo_photos / "obama.jpg", demo_photos / "obama2.jpg"])
    stage.enrol("bea", [demo_photos / "astronaut.png"])
    page = stage.page("searcher")
    search(page, group_photo)
    page.get_by_role("heading", name="1 face with candidates").wait_for()
    shown = np.asarray(picture(page).convert("L"), np.float64)
    before = np.asarray(Image.open(group_photo).convert("L"), np.float64)
    assert shown.shape == before.shape
    boxes = [face.box_xyxy.astype(int) for face in stage.assent.detect(group_photo).faces]
    left, right = sorted(boxes, key=lambda box: int(box[0]))

    def detail(pixels: Any, box: Any) -> float:
        face = pixels[box[1] : box[3], box[0] : box[2]]
        return float(np.abs(np.diff(face, axis=1)).mean())

    assert detail(shown, left) > 0.7 * detail(before, left)
    assert detail(shown, right) < 0.3 * detail(before, right)
    assert page.get_by_role("link", name="consent", exact=True).count() == 0, "a searcher sees no consents"


@pytest.mark.slow
def test_the_main_path_by_keyboard_alone(stage: Stage, demo_photos: Path, group_photo: Path) -> None:
    stage.assent.collections.create("club", purpose=PURPOSE, policy="strict")
    stage.enrol("ana", [demo_photos / "obama.jpg"])
    key = stage.assent.access.make("ada", ["admin"])
    page = stage.blank(stage.browser)
    keyboard = page.keyboard
    page.goto(stage.address)
    keyboard.type(key.key.id)  # the field has the focus
    keyboard.press("Tab")
    keyboard.type(key.secret)
    keyboard.press("Enter")
    page.get_by_role("heading", name="What is here").wait_for()
    keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    consoles.tab_to(page, "Search", role="A")
    keyboard.press("Enter")
    page.get_by_role("heading", name="Search").wait_for()
    consoles.tab_to(page, "Photo", role="INPUT")
    with page.expect_file_chooser() as chooser:
        keyboard.press("Space")
    chooser.value.set_files(group_photo)
    consoles.tab_to(page, "Search", role="BUTTON")
    keyboard.press("Enter")
    page.get_by_role("heading", name="1 face with candidates").wait_for()
    consoles.tab_to(page, "consent", role="A")
    keyboard.press("Enter")
    page.get_by_role("heading", name="Consent to").wait_for()
    consoles.tab_to(page, "Withdraw", role="A")
    keyboard.press("Enter")
    page.get_by_role("heading", name="Withdraw the consent").wait_for()
    consoles.tab_to(page, "Withdraw", role="BUTTON")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "what has the focus is seen to have it"
    keyboard.press("Enter")
    page.get_by_role("heading", name="Receipt").wait_for()
    assert stage.assent.consents.list()[0].withdrawn_at is not None


@pytest.mark.slow
def test_photos_by_camera(stage: Stage, playwright: Playwright, demo_photos: Path, tmp_path: Path) -> None:
    stage.assent.collections.create("club", purpose=PURPOSE)
    agree(stage.assent, "ana")
    video = consoles.make_video(demo_photos / "obama.jpg", tmp_path / "camera.mjpeg")
    arguments = [*consoles.ARGUMENTS, *consoles.CAMERA, f"--use-file-for-fake-video-capture={video}"]
    browser = playwright.chromium.launch(executable_path=consoles.CHROMIUM, args=arguments)
    page = stage.blank(browser)
    consoles.sign_in(page, stage.address, stage.assent.access.make("ada", ["enroller", "searcher"]))
    page.goto(f"{stage.address}/photos?person=ana")
    take(page)
    page.get_by_text("Taken: 1 so far").wait_for()
    page.get_by_role("button", name="Close the camera").click()
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("camera-1.jpg").wait_for()
    page.get_by_text("1 photo of this person in club now").wait_for()
    page.get_by_role("link", name="Search", exact=True).first.click()
    take(page)
    page.get_by_text("Taken. It is sent with the form.").wait_for()
    assert page.locator("video").count() == 0, "the camera is off once the photo is taken"
    page.get_by_role("button", name="Search").click()
    page.get_by_role("heading", name="1 face with candidates").wait_for()
    browser.close()


def take(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Take the photo").click()


def test_without_a_camera_a_file_will_do(stage: Stage) -> None:
    stage.assent.collections.create("club", purpose=PURPOSE)
    page = stage.page("searcher")
    page.goto(f"{stage.address}/search")
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_text("choose a file").wait_for()
    assert page.locator("#photo").is_visible()


def test_two_people_look_before_anybody_is_named(stage: Stage, demo_photos: Path) -> None:
    stage.assent.collections.create("vault", purpose="door", review="two-person")
    stage.enrol(
        "ana", [demo_photos / "obama.jpg", demo_photos / "obama2.jpg"], collection="vault", purpose="door"
    )
    asking = stage.page("searcher", holder="sea")
    search(asking, demo_photos / "obama3.jpg")
    asking.get_by_role("heading", name="Two people must look first").wait_for()
    assert "Ana" not in asking.locator("main").inner_text()
    asking.get_by_role("link", name="What came of it").click()
    asking.get_by_text("Two people have not both looked yet").wait_for()
    for holder in ("rev-1", "rev-2"):
        page = stage.page("reviewer", holder=holder)
        page.get_by_role("link", name="1 pair to look at").click()
        page.get_by_role("link", name="Begin").click()
        page.get_by_role("heading", name="The same person?").wait_for()
        words = page.locator("main").inner_text().lower()
        assert not any(word in words for word in ("ana", "similarity", "stranger", "rev-1"))
        loaded = "[...document.images].map((image) => image.naturalWidth > 50)"
        assert page.evaluate(loaded) == [True, True, True]
        boxes = [button.bounding_box() for button in page.locator(".verdicts button").all()]
        assert len({(box["width"], box["height"]) for box in boxes if box}) == 1, "no answer is the easy one"
        consoles.press_access_key(page, "1")
        page.get_by_text("Your answer is recorded").wait_for()
        assert page.get_by_role("link", name="Begin").count() == 0
    asking.reload()
    asking.get_by_text("Both said: the same person").wait_for()
    asking.get_by_text("Ana Test").wait_for()
    asking.get_by_text("At most one stranger in").wait_for()


def every_page(stage: Stage, demo_photos: Path) -> list[str]:
    """The address of everything that can be looked at."""
    assent = stage.assent
    assent.collections.create("club", purpose=PURPOSE)
    assent.collections.create("vault", purpose="door", review="two-person")
    stage.enrol("ana", [demo_photos / "obama.jpg"])
    stage.enrol("bea", [demo_photos / "astronaut.png"], collection="vault", purpose="door")
    assent.people.add("a-rather-long-id-without-any-place-to-break-it-" + "x" * 60)
    [ended, live] = [agree(assent, ref, purpose="other", days=20) for ref in ("ana", "bea")]
    assent.consents.withdraw(ended.id)
    review = assent.search(demo_photos / "astronaut.png", collection="vault", purpose="door").review_id
    assent.logbook.checkpoint()
    key = assent.access.make("bob", ["reviewer"])
    assent.places.add("door", collection="club", responsible="Club", notice="Members are recognised here.")
    assent.places.set_camera("door", "front", "rtsp://127.0.0.1/stream")
    assent.streams.add("front-door", place="door", camera="front")
    assent.streams.start("front-door")
    return [
        "/",
        "/people",
        "/person?id=ana",
        "/person/erase?id=ana",
        "/consent/new?person=ana",
        f"/consents/{live.id}",
        f"/consents/{live.id}/withdraw",
        f"/consents/{ended.id}/receipt",
        "/photos?person=ana",
        "/search",
        "/videos",
        "/videos/new",
        "/collections",
        "/collection?name=club",
        "/collection/delete?name=club",
        "/live",
        "/live/stream?name=front-door",
        "/reviews",
        f"/reviews/{review}",
        f"/pairs/{assent.reviews.queue()[0].id}",
        "/log",
        "/keys",
        f"/key/revoke?id={key.key.id}",
        "/person?id=nobody",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="desktop, light"),
        pytest.param({**PHONE, "color_scheme": "dark"}, id="phone, dark"),
    ],
)
def test_every_page_is_accessible_and_fits(stage: Stage, demo_photos: Path, options: dict[str, Any]) -> None:
    addresses, script = every_page(stage, demo_photos), axe_script()
    page = stage.blank(stage.browser, **options)
    page.goto(f"{stage.address}/sign-in")
    assert_accessible(page, script)
    consoles.sign_in(page, stage.address, stage.assent.access.make("ada", ["admin"]))
    for address in addresses:
        page.goto(stage.address + address)
        assert_accessible(page, script)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
    for details in ("/log", "/search", "/photos?person=ana"):
        page.goto(stage.address + details)
        page.locator("details summary").first.click()
        assert_accessible(page, script)
    assert page.locator("#capture").is_visible() == ("is_mobile" in options)
    for do in answers(page, stage, demo_photos):
        do()
        assert_accessible(page, script)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


@pytest.mark.slow
def test_every_page_fits_a_phone(stage: Stage, demo_photos: Path) -> None:
    addresses = every_page(stage, demo_photos)
    page = stage.page(**PHONE)
    for address in addresses:
        page.goto(stage.address + address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
    page.goto(f"{stage.address}/search")
    assert page.locator("#capture").is_visible(), "a phone's own camera, without any script"
    search(page, demo_photos / "obama3.jpg")
    page.locator("figure.answer img").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def answers(page: Page, stage: Stage, photos: Path) -> list[Callable[[], None]]:
    """What leads to the pages that only a form answers with."""

    def found() -> None:
        search(page, photos / "obama3.jpg")
        page.get_by_role("heading", name="1 face with candidates").wait_for()

    def refused() -> None:
        page.goto(f"{stage.address}/photos?person=ana")
        page.locator("#photo").set_input_files([photos / "biden.jpg", photos / "obama.jpg"])
        page.get_by_role("button", name="Add", exact=True).click()
        page.get_by_text("This photo is enrolled already").wait_for()

    def notice() -> None:
        page.goto(f"{stage.address}/consent/new?person=ana")
        page.get_by_label("Purpose").fill("newsletter")
        page.get_by_label("Last day").fill("2027-01-31")
        page.get_by_role("button", name="Show it to them").click()
        page.get_by_role("heading", name="to read").wait_for()

    def incomplete() -> None:
        page.get_by_role("button", name="Record the consent").click()
        page.get_by_role("alert").wait_for()

    def secret() -> None:
        page.goto(f"{stage.address}/keys")
        page.get_by_label("Holder").fill("cyd")
        page.get_by_label("searcher").check()
        page.get_by_role("button", name="Make").click()
        page.get_by_text("shown this once").wait_for()

    def verified() -> None:
        page.goto(f"{stage.address}/log")
        page.get_by_role("button", name="Verify now").click()
        page.get_by_text("recomputed").wait_for()

    def erased() -> None:
        page.goto(f"{stage.address}/person/erase?id=bea")
        page.get_by_label("This is what the person wants").check()
        page.get_by_role("button", name="Erase").click()
        page.get_by_role("heading", name="Erased").wait_for()

    return [found, refused, notice, incomplete, secret, verified, erased]


def test_a_receipt_prints_without_the_menu(stage: Stage, demo_photos: Path) -> None:
    consent = agree(stage.assent, "ana")
    stage.assent.consents.withdraw(consent.id)
    page = stage.page("enroller")
    page.goto(f"{stage.address}/consents/{consent.id}/receipt")
    assert page.get_by_role("button", name="Print").is_visible()
    page.emulate_media(media="print")
    assert not page.locator("header").is_visible()
    assert not page.get_by_role("button", name="Print").is_visible()
    assert page.locator(".receipt").is_visible()
