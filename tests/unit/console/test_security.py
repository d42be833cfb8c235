"""Nobody acts in somebody else's name: sessions, tokens in forms, headers, and what is escaped."""

from __future__ import annotations

import logging
import re

import pytest

from assent import Assent
from assent.console.security import PAGE_HEADERS, safe_path
from assent.console.sessions import IDLE_S, Sessions
from assent.console.throttle import FREE_FAILURES, Throttle
from assent.console.views import PAGES
from assent.store.access import NewAccessKey, Role
from tests.builders import agree
from tests.unit.console.builders import Consoles, Time, Visitor, text_of, token_of

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;"


def fill(path: str) -> str:
    return re.sub(r"\{\w+\}", "no-such-id", path)


def test_nothing_answers_without_a_session(consoles: Consoles) -> None:
    visitor = consoles.visitor()
    for page in PAGES:
        answer = visitor.client.request(page.method, fill(page.path), follow_redirects=False)
        assert answer.status_code == 303, page
        assert answer.headers["location"].partition("?")[0] == "/sign-in"
        assert not answer.text


@pytest.mark.parametrize("token", ["", "0" * 64, "not-ascii-é", "another's"])
def test_no_form_is_taken_without_its_token(consoles: Consoles, token: str) -> None:
    visitor = consoles.signed_in(Role.ADMIN)
    if token == "another's":
        token = token_of(consoles.signed_in(Role.ADMIN, holder="other").page)
    before = len(consoles.assent.log())
    forms = [page for page in PAGES if page.method == "POST"]
    assert len(forms) > 10
    for page in forms:
        answer = visitor.post(fill(page.path), {"form_token": token})
        assert answer.status_code == 403, page
        assert "nothing was done" in text_of(answer.text)
    assert len(consoles.assent.log()) == before


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_what_the_browser_says_is_from_elsewhere_is_refused(consoles: Consoles, site: str) -> None:
    visitor = consoles.signed_in(Role.ADMIN)
    visitor.headers = {"sec-fetch-site": site}
    assert visitor.post("/people", {"ref": "eve"}).status_code == 403
    visitor.headers = {"sec-fetch-site": "same-origin"}
    visitor.get("/people")
    assert visitor.post("/people", {"ref": "eve"}).status_code == 200
    assert [person.ref for person in consoles.assent.people.list()] == ["eve"]


def test_signing_in_needs_the_form_that_was_shown(consoles: Consoles) -> None:
    key = consoles.key()
    visitor = consoles.visitor()
    credentials = {"key_id": key.key.id, "secret": key.secret}
    assert visitor.post("/sign-in", credentials).status_code == 403, "no page was loaded"
    visitor.get("/sign-in")
    other = consoles.visitor()
    other.get("/sign-in")
    visitor.page = other.page
    assert visitor.post("/sign-in", credentials).status_code == 403, "another browser's token"
    assert "assent-session" not in visitor.client.cookies


def wrong(key: NewAccessKey) -> list[dict[str, str]]:
    return [
        {"key_id": key.key.id, "secret": key.secret[:-1]},
        {"key_id": key.key.id, "secret": ""},
        {"key_id": "", "secret": ""},
        {"key_id": "ASNTAAAAAAAAAAAAAAAA", "secret": key.secret},
        {"key_id": EVIL, "secret": EVIL},
        {"key_id": "x" * 5000, "secret": "\x00é"},
    ]


def test_no_session_without_the_right_secret(consoles: Consoles) -> None:
    for fields in wrong(consoles.key()):
        visitor = consoles.visitor()
        visitor.get("/sign-in")
        answer = visitor.post("/sign-in", fields)
        assert answer.status_code == 401
        assert "assent-session" not in visitor.client.cookies
        assert "<script>alert" not in answer.text
        assert fields["secret"] == "" or fields["secret"] not in answer.text


def test_a_forged_cookie_is_nobody(consoles: Consoles) -> None:
    visitor = consoles.visitor()
    for forged in ["", "x", "0" * 43, "é".encode().decode("latin-1"), "../../etc", "a" * 4000]:
        header = {"cookie": f"assent-session={forged}".encode("latin-1")}
        answer = visitor.client.get("/", headers=header, follow_redirects=False)  # type: ignore[arg-type]
        assert answer.status_code == 303


def test_a_revoked_key_ends_its_sessions_at_once(consoles: Consoles) -> None:
    key = consoles.key(Role.ADMIN)
    first, second = consoles.visitor().sign_in(key), consoles.visitor().sign_in(key)
    assert first.get("/people").status_code == 200
    consoles.assent.access.revoke(key.key.id)
    assert first.get("/people").url.path == "/sign-in"
    answer = second.client.post(
        "/people", data={"form_token": token_of(second.page), "ref": "eve"}, follow_redirects=False
    )
    assert answer.headers["location"] == "/sign-in"
    assert consoles.assent.people.list() == ()
    visitor = consoles.visitor()
    visitor.get("/sign-in")
    assert visitor.post("/sign-in", {"key_id": key.key.id, "secret": key.secret}).status_code == 401


def test_a_session_ends_when_it_is_not_used(assent: Assent) -> None:
    time = Time()
    visitor = Consoles.of(assent, sessions=Sessions(clock=time)).signed_in()
    time.now_s += IDLE_S - 1
    assert visitor.get("/").url.path == "/"
    time.now_s += IDLE_S
    assert visitor.get("/keys").url.path == "/sign-in"


def test_signing_out_ends_it_for_whoever_kept_the_cookie(consoles: Consoles) -> None:
    visitor = consoles.signed_in()
    kept = visitor.client.cookies["assent-session"]
    assert visitor.post("/sign-out").url.path == "/sign-in"
    assert "assent-session" not in visitor.client.cookies
    visitor.client.cookies.set("assent-session", kept)
    assert visitor.get("/").url.path == "/sign-in"


def test_signing_out_needs_its_token_too(consoles: Consoles) -> None:
    visitor = consoles.signed_in()
    visitor.page = ""
    assert visitor.post("/sign-out").status_code == 403
    assert visitor.get("/").url.path == "/"


def test_a_session_before_signing_in_is_not_the_one_after(consoles: Consoles) -> None:
    visitor = consoles.visitor()
    visitor.client.cookies.set("assent-session", "fixed-by-somebody", domain="console.test", path="/")
    visitor.sign_in(consoles.key())
    first = visitor.client.cookies["assent-session"]
    assert first != "fixed-by-somebody"
    visitor.sign_in(consoles.key(holder="again"))
    other = consoles.visitor()
    other.client.cookies.set("assent-session", first)
    assert other.get("/").url.path == "/sign-in", "signing in again ends the session there was"


def test_failed_sign_ins_are_slowed_down(assent: Assent) -> None:
    time = Time()
    consoles = Consoles.of(assent, throttle=Throttle(clock=time))
    key = consoles.key()
    visitor = consoles.visitor()
    visitor.get("/sign-in")
    for _ in range(FREE_FAILURES):
        assert visitor.post("/sign-in", {"key_id": key.key.id, "secret": "guess"}).status_code == 401
    right = {"key_id": key.key.id, "secret": key.secret}
    answer = visitor.post("/sign-in", right)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    time.now_s += 2
    assert visitor.post("/sign-in", right).url.path == "/"


@pytest.mark.parametrize("address", ["http://console.test", "https://console.test"])
def test_cookies_are_for_this_host_and_no_script(consoles: Consoles, address: str) -> None:
    visitor = consoles.visitor(address)
    visitor.get("/sign-in")
    key = consoles.key()
    fields = {"form_token": token_of(visitor.page), "key_id": key.key.id, "secret": key.secret}
    answer = visitor.client.post("/sign-in", data=fields, follow_redirects=False)
    [cookie] = [text for text in answer.headers.get_list("set-cookie") if "session" in text]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert "Max-Age" not in cookie, "it ends with the browser"
    is_https = address.startswith("https")
    assert ("Secure" in cookie) == is_https
    assert cookie.startswith("__Host-") == is_https
    assert visitor.get("/").url.path == "/"


def test_every_page_is_guarded_by_headers(consoles: Consoles) -> None:
    consoles.assent.logbook.checkpoint()
    for path in ["/", "/sign-in", "/keys", "/person?id=nobody", "/collections", "/log/checkpoints"]:
        answer = consoles.signed_in().get(path)
        for name, value in PAGE_HEADERS.items():
            assert answer.headers[name] == value
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"


def test_redirects_and_refusals_are_guarded_too(consoles: Consoles) -> None:
    visitor = consoles.visitor()
    answers = [
        visitor.client.get("/people", follow_redirects=False),
        visitor.get("/sign-in"),
        visitor.post("/sign-in", {"key_id": "x", "secret": "y"}),
        consoles.signed_in().post("/people", {"form_token": "wrong"}),
    ]
    for answer in answers:
        assert PAGE_HEADERS.items() <= dict(answer.headers).items() or all(
            answer.headers[name] == value for name, value in PAGE_HEADERS.items()
        )


def test_no_redirect_leads_elsewhere(consoles: Consoles) -> None:
    for text in ["", "//evil.test", "/\\evil.test", "https://evil.test", "\\/evil", "/a\r\nb", "x", "/\t/x"]:
        assert safe_path(text) == "/"
        visitor, key = consoles.visitor(), consoles.key()
        visitor.get("/sign-in")
        fields = {
            "form_token": token_of(visitor.page),
            "key_id": key.key.id,
            "secret": key.secret,
            "next": text,
        }
        answer = visitor.client.post("/sign-in", data=fields, follow_redirects=False)
        assert answer.headers["location"] == "/"


def test_after_signing_in_one_is_where_one_wanted_to_be(consoles: Consoles) -> None:
    visitor, key = consoles.visitor(), consoles.key()
    consoles.assent.people.add("a:b")
    answer = visitor.get("/person?id=a%3Ab")
    assert answer.url.path == "/sign-in"
    target = re.search(r'name="next" value="([^"]*)"', answer.text)
    assert target
    answer = visitor.post("/sign-in", {"key_id": key.key.id, "secret": key.secret, "next": target[1]})
    assert (answer.url.path, answer.url.params["id"]) == ("/person", "a:b")


def assert_harmless(page: str) -> None:
    """No mark that EVIL could have made."""
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert not re.search(r"<[a-z]+[^>]*\sonerror=", re.sub(r'="[^"]*"', "", page))


def test_what_people_write_is_never_markup(consoles: Consoles) -> None:
    assent, visitor = consoles.assent, consoles.signed_in()
    visitor.get("/people")
    visitor.post("/people", {"ref": "eve", "name": EVIL})
    assert EVIL in text_of(visitor.page.replace("&amp;amp;", "&amp;")) or "&lt;script&gt;" in visitor.page
    consent = assent.consents.record(
        "eve",
        purpose="club-photos",
        controller=EVIL,
        notice_text=EVIL,
        notice_version="1",
        language="en",
        method="online-form",
        evidence=b"x",
        expires_at=assent.now().replace(year=2030),
        legal_basis=EVIL,
    )
    for path in (
        "/",
        "/people",
        "/person?id=eve",
        f"/consents/{consent.id}",
        f"/consents/{consent.id}/withdraw",
        "/consent/new?person=eve",
        "/photos?person=eve",
        "/person/erase?id=eve",
        f"/people?q={EVIL}",
        f"/person?id={EVIL}",
        f"/collection?name={EVIL}",
        f"/search?collection={EVIL}",
        f"/log?kind={EVIL}&before={EVIL}",
        f"/key/revoke?id={EVIL}",
        f"/sign-in?next=/{EVIL}",
    ):
        assert_harmless(visitor.get(path).text)
    visitor.get("/consent/new?person=eve")
    fields = {
        "person": "eve",
        "purpose": EVIL,
        "controller": EVIL,
        "until": "2030-01-01",
        "notice_text": EVIL,
    }
    fields |= {"notice_id": "new", "notice_version": EVIL, "language": EVIL, "legal_basis": EVIL}
    assert_harmless(visitor.post("/consent/preview", fields).text)
    visitor.post(f"/consents/{consent.id}/withdraw", {"reason": EVIL})
    assert_harmless(visitor.page)
    assert_harmless(visitor.get(f"/consents/{consent.id}").text)
    for path, fields in (
        ("/people", {"ref": EVIL, "name": EVIL}),
        ("/collections", {"name": EVIL, "purpose": EVIL, "policy": EVIL, "review": EVIL}),
        ("/keys", {"holder": EVIL, "role": EVIL}),
        ("/search", {"collection": EVIL, "threshold": EVIL, "max_candidates": EVIL}),
        ("/photos", {"person": "eve", "collection": EVIL}),
    ):
        visitor.get("/keys")
        assert_harmless(visitor.post(path, fields).text)


def test_a_file_name_is_never_markup(consoles: Consoles) -> None:
    agree(consoles.assent, "eve")
    consoles.assent.collections.create("club", purpose="club-photos")
    visitor = consoles.signed_in()
    visitor.get("/photos?person=eve")
    files = {"photo": ("<img src=x onerror=alert(2)>.jpg", b"no image")}
    answer = visitor.post("/photos", {"person": "eve", "collection": "club"}, files=files)
    assert "&lt;img src=x" in answer.text
    assert_harmless(answer.text)


def test_a_secret_is_shown_once_and_logged_never(
    consoles: Consoles, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    visitor = consoles.signed_in()
    visitor.get("/keys")
    answer = visitor.post("/keys", {"holder": "bob", "role": ["searcher", "reviewer"]})
    made = next(key for key in consoles.assent.access.list() if key.holder == "bob")
    assert made.roles == {Role.SEARCHER, Role.REVIEWER}
    found = consoles.assent.access.with_secret(made.id)
    assert found is not None
    assert found[1] in text_of(answer.text)
    assert found[1] not in text_of(visitor.get("/keys").text)
    assert found[1] not in caplog.text
    assert found[1] not in str(consoles.assent.log())


def test_what_breaks_is_a_page_without_a_trace(
    consoles: Consoles, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from assent.service.people import People

    def broken(*_args: object) -> None:
        raise RuntimeError("Ana Lovelace's face")

    monkeypatch.setattr(People, "list", broken)
    answer = consoles.signed_in().get("/people")
    assert answer.status_code == 500
    assert "Ana Lovelace" not in answer.text + caplog.text
    assert "RuntimeError at " in caplog.text
    assert "Traceback" not in answer.text + caplog.text


def test_static_files_and_nothing_beside_them(consoles: Consoles) -> None:
    visitor = consoles.visitor()
    visitor.get("/sign-in")
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', visitor.page):
        answer = visitor.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "immutable" in answer.headers["cache-control"]
    for path in (
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/",
        "/static/nothing",
        "/static/..%2fapp.py",
    ):
        assert visitor.client.get(path).status_code == 404


def test_the_wire_keeps_its_address(consoles: Consoles) -> None:
    assert consoles.visitor().client.post("/").status_code == 405


def test_an_address_that_there_is_not_has_a_page(consoles: Consoles) -> None:
    for visitor in (consoles.visitor(), consoles.signed_in()):
        answer = visitor.get("/no/such/page")
        assert (answer.status_code, "There is no such page" in text_of(answer.text)) == (404, True)


def test_visitors_do_not_mix(consoles: Consoles) -> None:
    first: Visitor = consoles.signed_in(Role.SEARCHER, holder="first")
    second = consoles.signed_in(Role.ENROLLER, holder="second")
    assert "first" in text_of(first.get("/").text)
    assert "second" in text_of(second.get("/").text)
    assert "first" not in text_of(second.page)
