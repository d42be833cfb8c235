"""Each page does what it says, for the roles that may and no other."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest

from assent import Assent
from assent.console.rendering import static_address
from assent.service.logbook import verify_export
from assent.store.access import Role
from tests.builders import Clock, agree
from tests.unit.console.builders import Consoles, Visitor, text_of

PURPOSE = "club-photos"
# Trailing blanks, both kinds of line end, a tab, no final newline, other scripts: all of it is kept.
NOTICE = "\n Was wir tun:\r\n\tvorläufig  \nΌχι 否 \u00a0|\r\nend "


def test_templates_and_files_are_in_the_package() -> None:
    package = files("assent.console")
    assert {"base.html", "search_answer.html"} <= {item.name for item in (package / "templates").iterdir()}
    for name in ("console.css", "console.js", "icon.svg"):
        assert (package / "static" / name).is_file()
        assert re.fullmatch(rf"/static/{re.escape(name)}\?v=[0-9a-f]{{12}}", static_address(name))


def test_no_page_asks_another_host_or_carries_a_style_or_script() -> None:
    for item in (files("assent.console") / "templates").iterdir():
        text = item.read_text("utf-8")
        assert not re.search(r"https?:|=.//", text), item.name
        assert not re.search(r"<style|style=|<script>|\son[a-z]+=|javascript:", text), item.name
    style = (files("assent.console") / "static" / "console.css").read_text("utf-8")
    assert not re.search(r"url\(|@import", style)
    script = (files("assent.console") / "static" / "console.js").read_text("utf-8")
    assert not re.search(r"innerHTML|eval\(|fetch\(|XMLHttp|localStorage", script)


ALLOWED = {
    "/": set(Role),
    "/search": {Role.SEARCHER},
    "/videos": {Role.SEARCHER, Role.ENROLLER},
    "/videos/new": {Role.SEARCHER, Role.ENROLLER},
    "/people": {Role.ENROLLER},
    "/person?id=ana": {Role.ENROLLER},
    "/person/erase?id=ana": {Role.ENROLLER},
    "/consent/new?person=ana": {Role.ENROLLER},
    "/photos?person=ana": {Role.ENROLLER},
    "/collections": set(Role),
    "/collection?name=club": set(Role),
    "/reviews": {Role.REVIEWER, Role.SEARCHER},
    "/live": {Role.SEARCHER},
    "/log": set[Role](),
    "/log/checkpoints": set[Role](),
    "/keys": set[Role](),
    "/key/revoke?id=x": set[Role](),
}


@pytest.fixture
def club(consoles: Consoles) -> Consoles:
    """One person who agreed, in one collection, no photo yet."""
    agree(consoles.assent, "ana")
    consoles.assent.collections.create("club", purpose=PURPOSE)
    return consoles


@pytest.mark.parametrize("role", list(Role))
def test_a_role_sees_its_pages_and_a_readable_refusal_elsewhere(club: Consoles, role: Role) -> None:
    visitor = club.signed_in(role)
    for path, roles in ALLOWED.items():
        answer = visitor.get(path)
        if role in roles | {Role.ADMIN}:
            assert answer.status_code == 200, path
        else:
            assert answer.status_code == 403, path
            assert "Not with this key" in text_of(answer.text)
            assert "Ana" not in answer.text


@pytest.mark.parametrize("role", list(Role))
def test_the_menu_shows_what_the_role_may(club: Consoles, role: Role) -> None:
    menu = re.findall(r'<li><a href="(/\w+)"', club.signed_in(role).get("/").text)
    may = {path for path, roles in ALLOWED.items() if role in roles | {Role.ADMIN}}
    assert set(menu) <= may
    assert (
        set(menu) == {"/search", "/videos", "/people", "/reviews", "/live", "/collections", "/log", "/keys"}
    ) == (role is Role.ADMIN)


@pytest.mark.parametrize("role", [Role.SEARCHER, Role.REVIEWER])
def test_what_is_not_shown_is_refused_anyhow(club: Consoles, role: Role) -> None:
    [consent] = club.assent.consents.list()
    visitor = club.signed_in(role)
    people, collections, keys = (
        club.assent.people.list(),
        club.assent.collections.list(),
        club.assent.access.list(),
    )
    for path, data in (
        ("/people", {"ref": "eve"}),
        ("/person/export", {"id": "ana"}),
        ("/person/erase", {"id": "ana", "understood": "yes"}),
        (f"/consents/{consent.id}/withdraw", {}),
        ("/collections", {"name": "mine", "purpose": "mine"}),
        ("/collection/policy", {"name": "club", "policy": "strict"}),
        ("/collection/delete", {"name": "club"}),
        ("/keys", {"holder": "eve", "role": "admin"}),
        ("/key/revoke", {"id": keys[0].id}),
        ("/log/export", {}),
        ("/log/sign", {}),
        ("/sweep", {}),
    ):
        visitor.get("/")
        assert visitor.post(path, data).status_code == 403, path
    assert (people, collections, keys) == (
        club.assent.people.list(),
        club.assent.collections.list(),
        club.assent.access.list(),
    )
    assert club.assent.consents.get(consent.id).withdrawn_at is None


def test_an_enroller_makes_collections_but_no_policy(club: Consoles) -> None:
    visitor = club.signed_in(Role.ENROLLER)
    assert "Change the policy" not in visitor.get("/collection?name=club").text
    assert visitor.post("/collection/policy", {"name": "club", "policy": "strict"}).status_code == 403
    visitor.get("/collections")
    fields = {"name": "vault", "purpose": "door", "policy": "strict", "review": "two-person"}
    assert "vault is made" in text_of(visitor.post("/collections", fields).text)
    record = club.assent.collections.get("vault").collection
    assert (record.purpose, record.fpir_target, record.review) == ("door", 0.001, "two-person")


def test_an_admin_sets_the_policy(club: Consoles) -> None:
    visitor = club.signed_in()
    visitor.get("/collection?name=club")
    fields = {"name": "club", "policy": "custom", "fpir_percent": "0.5", "beyond_evidence": "review"}
    assert "policy is changed" in text_of(visitor.post("/collection/policy", fields).text)
    record = club.assent.collections.get("club").collection
    assert (record.fpir_target, record.preset, record.beyond_evidence) == (0.005, "custom", "review")
    for wrong in ("", "0", "100", "-1", "nan", "much", "inf"):
        answer = visitor.post("/collection/policy", {**fields, "fpir_percent": wrong})
        assert answer.status_code == 400, wrong
        assert visitor.get("/collection?name=club").status_code == 200
    assert club.assent.collections.get("club").collection == record


def test_a_malformed_form_is_shown_again_with_what_was_written(club: Consoles) -> None:
    visitor = club.signed_in()
    visitor.get("/people")
    answer = visitor.post("/people", {"ref": "not an id", "name": "Eve Example"})
    assert (answer.status_code, 'value="not an id"' in answer.text) == (400, True)
    assert 'value="Eve Example"' in answer.text
    assert visitor.post("/people", {"ref": "ana"}).status_code == 409
    answer = visitor.post("/collections", {"name": "club", "purpose": "other"})
    assert (answer.status_code, 'value="other"' in answer.text) == (409, True)
    answer = visitor.post("/keys", {"holder": "bob"})
    assert (answer.status_code, 'value="bob"' in answer.text) == (400, True)


def preview(visitor: Visitor, **changes: str) -> dict[str, str]:
    fields = {
        "person": "ana",
        "purpose": "newsletter",
        "controller": "Test Club",
        "until": "2027-01-31",
        "notice_id": "new",
        "notice_version": "2026-02",
        "language": "de",
    }
    return fields | changes


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the page's last form."""
    form = page[page.rindex("<form") :]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))


def test_a_notice_is_kept_byte_for_byte(club: Consoles) -> None:
    visitor = club.signed_in(Role.ENROLLER)
    visitor.get("/consent/new?person=ana")
    upload = {"notice_file": ("notice.txt", NOTICE.encode())}
    answer = visitor.post("/consent/preview", preview(visitor), files=upload)
    assert hashlib.sha256(NOTICE.encode()).hexdigest() in answer.text
    assert "vorläufig  \n" in answer.text
    kept = hidden(answer.text)
    assert base64.b64decode(kept["notice_base64"]) == NOTICE.encode()
    assert len(club.assent.consents.list()) == 1, "nothing is recorded before the second step"
    evidence = b"signed \x00 release"
    answer = visitor.post(
        "/consent/record",
        {**kept, "method": "online-form", "given_on": "2026-01-10"},
        files={"evidence": ("release.pdf", evidence)},
    )
    assert answer.url.path == "/person", text_of(answer.text)
    made = next(item for item in club.assent.consents.list() if item.purpose == "newsletter")
    assert club.assent.consents.notice(made.id).text == NOTICE
    assert made.evidence_sha256 == hashlib.sha256(evidence).hexdigest()
    assert made.given_at == datetime(2026, 1, 10, 12, tzinfo=UTC)
    assert made.expires_at == datetime(2027, 2, 1, tzinfo=UTC)
    # the same text again, chosen from those that were used
    notice_id = made.notice_id
    answer = visitor.get("/consent/new?person=ana")
    assert f'value="{notice_id}"' in answer.text
    answer = visitor.post("/consent/preview", preview(visitor, notice_id=notice_id, notice_version=""))
    assert base64.b64decode(hidden(answer.text)["notice_base64"]) == NOTICE.encode()


def test_a_written_notice_has_the_line_ends_that_were_typed(club: Consoles) -> None:
    visitor = club.signed_in(Role.ENROLLER)
    visitor.get("/consent/new?person=ana")
    answer = visitor.post("/consent/preview", preview(visitor, notice_text="one\r\n\r\ntwo "))
    assert base64.b64decode(hidden(answer.text)["notice_base64"]) == b"one\n\ntwo "


def test_an_incomplete_consent_goes_no_further(club: Consoles) -> None:
    visitor = club.signed_in(Role.ENROLLER)
    visitor.get("/consent/new?person=ana")
    for changes in [
        {"until": ""},
        {"until": "soon"},
        {"until": "2020-01-01"},
        {"until": "9999-12-31"},
        {"purpose": ""},
        {"controller": ""},
        {"notice_text": ""},
        {"notice_version": ""},
        {"notice_id": "no-such-notice"},
    ]:
        answer = visitor.post("/consent/preview", preview(visitor, notice_text="Text") | changes)
        assert answer.status_code in (400, 404)
        assert 'role="alert"' in answer.text
        assert "Nothing is recorded yet" in text_of(answer.text)


def test_no_consent_without_everything_the_law_asks_for(club: Consoles) -> None:
    visitor = club.signed_in(Role.ENROLLER)
    for changes in [
        {},
        {"evidence_sha256": "/etc/passwd"},
        {"evidence_sha256": "0" * 63},
        {"evidence_sha256": "0" * 64, "method": "telepathy"},
        {"evidence_sha256": "0" * 64, "given_on": "2026-02-30"},
        {"evidence_sha256": "0" * 64, "given_on": "2027-01-01"},
        {"evidence_sha256": "0" * 64, "purpose": "Not A Slug"},
        {"evidence_sha256": "0" * 64, "notice_version": "1", "language": "en"},
        {"evidence_sha256": "0" * 64, "until": ""},
    ]:
        visitor.get("/consent/new?person=ana")
        answer = visitor.post("/consent/preview", preview(visitor, notice_text="Text"))
        fields = {**hidden(answer.text), "method": "online-form", "given_on": "2026-01-15"} | changes
        answer = visitor.post("/consent/record", fields)
        assert answer.status_code in (400, 409), text_of(answer.text)
        assert 'role="alert"' in answer.text
        assert len(club.assent.consents.list()) == 1
        for wrong in ("?", base64.b64encode(b"\xff").decode(), ""):
            assert visitor.post("/consent/record", {**fields, "notice_base64": wrong}).status_code == 400


def test_a_no_is_final_and_has_a_receipt(club: Consoles) -> None:
    visitor = club.signed_in(Role.ENROLLER)
    [consent] = club.assent.consents.list()
    assert visitor.get(f"/consents/{consent.id}/receipt").status_code == 404
    assert "cannot be undone" in text_of(visitor.get(f"/consents/{consent.id}/withdraw").text)
    answer = visitor.post(f"/consents/{consent.id}/withdraw", {"reason": "moved away"})
    assert answer.url.path == f"/consents/{consent.id}/receipt"
    receipt = club.assent.consents.receipt(consent.id)
    assert receipt is not None
    assert receipt.id in answer.text
    assert receipt.log_leaf_sha256 in answer.text
    assert "Ana" not in text_of(answer.text)
    answer = visitor.get(f"/consents/{consent.id}/receipt?as=json")
    assert json.loads(answer.text) == json.loads(json.dumps(receipt.as_json()))
    assert "attachment" in answer.headers["content-disposition"]
    assert "moved away" in visitor.get(f"/consents/{consent.id}").text
    again = visitor.get("/people") and visitor.post(f"/consents/{consent.id}/withdraw")
    assert again.status_code == 200, "withdrawing twice is the same as once"


def test_export_and_erasure(club: Consoles) -> None:
    visitor = club.signed_in(Role.ENROLLER)
    visitor.get("/person?id=ana")
    answer = visitor.post("/person/export", {"id": "ana"})
    assert json.loads(answer.text)["person"]["ref"] == "ana"
    person = club.assent.people.get("ana")
    assert answer.headers["content-disposition"] == f'attachment; filename="person-{person.id}.json"'
    visitor.get("/person/erase?id=ana")
    assert visitor.post("/person/erase", {"id": "ana"}).status_code == 400
    assert club.assent.people.get("ana").name == "Ana Test"
    answer = visitor.post("/person/erase", {"id": "ana", "understood": "yes"})
    assert "Nothing that identifies this person" in text_of(answer.text)
    assert "Ana" not in text_of(visitor.get("/people").text)
    assert visitor.get(f"/person?id=erased:{person.id}").status_code == 200


def test_any_id_and_name_has_an_address(consoles: Consoles) -> None:
    refs = [".", "..", "a:b", "new", "-"]
    for ref in refs:
        consoles.assent.people.add(ref)
    visitor = consoles.signed_in()
    links = re.findall(r'href="(/person\?id=[^"]+)"', visitor.get("/people").text)
    assert [re.findall("<h1>(.*)</h1>", visitor.get(link).text) for link in links] == [
        [ref] for ref in sorted(refs)
    ]
    names = [ref for ref in refs if ":" not in ref]
    for name in names:
        consoles.assent.collections.create(name, purpose="any")
    links = re.findall(r'href="(/collection\?name=[^"]+)"', visitor.get("/collections").text)
    assert [re.findall("<h1>(.*)</h1>", visitor.get(link).text) for link in links] == [
        [name] for name in sorted(names)
    ]


def test_the_first_page_says_what_needs_attention(assent: Assent, clock: Clock) -> None:
    consoles = Consoles.of(assent)
    agree(assent, "ana", days=40)
    visitor = consoles.signed_in()
    assert "ana" not in text_of(visitor.get("/").text)
    clock.advance(days=15)
    assert "The consent of ana to club-photos ends on" in text_of(visitor.get("/").text)
    assert "ending soon" in text_of(visitor.get("/people?ending=1").text)
    assert "not signed yet" in text_of(visitor.get("/").text)
    clock.advance(days=30)
    assert "The term of 1 consent has ended" in text_of(visitor.get("/").text)
    assert "1 consent ended" in text_of(visitor.post("/sweep").text)
    assert [item.withdrawn_at is not None for item in assent.consents.list()] == [True]
    visitor.get("/log")
    visitor.post("/log/sign")
    assert "Nothing." in text_of(visitor.get("/").text)


def test_people_are_found_by_id_or_name(consoles: Consoles) -> None:
    for ref, name in (("ana", "Ana Lovelace"), ("bea", None)):
        consoles.assent.people.add(ref, name=name)
    visitor = consoles.signed_in()
    assert "bea" not in text_of(visitor.get("/people?q=love").text)
    assert "Ana Lovelace" in visitor.page
    assert "Nobody of that id or name" in text_of(visitor.get("/people?q=nobody").text)


def test_the_log_is_paged_filtered_verified_and_exported(consoles: Consoles) -> None:
    for number in range(60):
        consoles.assent.people.add(f"p{number}")
    visitor = consoles.signed_in()
    answer = visitor.get("/log")
    assert answer.text.count("<details>") == 50
    older = re.search(r'href="(/log\?[^"]*before=\d+)"', answer.text)
    assert older
    assert visitor.get(older[1].replace("&amp;", "&")).text.count("<details>") == 11
    assert visitor.get("/log?kind=access.granted").text.count("<details>") == 1
    assert "Not verified" in text_of(visitor.get("/log").text)
    visitor.post("/log/sign")
    visitor.post("/log/verify")
    assert "Yes. 61 entries recomputed" in text_of(visitor.page)
    audit = verify_export(visitor.post("/log/export").text)
    assert audit.num_entries == 61
    visitor.get("/log")
    assert "time 2026-01-15T12:00:00.000000Z" in visitor.get("/log/checkpoints").text
    assert str(consoles.assent.logbook.public_keys()[0]) in visitor.get("/log").text.replace("&#43;", "+")


def test_a_log_that_was_changed_is_said_to_be(consoles: Consoles) -> None:
    visitor = consoles.signed_in()
    visitor.get("/log")
    visitor.post("/log/sign")
    path = consoles.assent.settings.checkpoint_path
    kept = path.read_text()
    path.write_text(kept.replace("\n1\n", "\n7\n", 1))
    assert path.read_text() != kept
    visitor.post("/log/verify")
    assert "No." in text_of(visitor.page)
    assert "The log:" in text_of(visitor.get("/").text)
    path.write_text(kept)
    visitor.get("/log")
    visitor.post("/log/verify")
    assert "Yes." in text_of(visitor.page)


def test_keys_are_made_and_revoked(consoles: Consoles) -> None:
    visitor = consoles.signed_in()
    visitor.get("/keys")
    visitor.post("/keys", {"holder": "bob", "role": "searcher"})
    made = next(key for key in consoles.assent.access.list() if key.holder == "bob")
    assert "Revoke the key of bob?" in text_of(visitor.get(f"/key/revoke?id={made.id}").text)
    assert "is revoked" in text_of(visitor.post("/key/revoke", {"id": made.id}).text)
    assert consoles.assent.access.with_secret(made.id) is None
    assert visitor.post("/key/revoke", {"id": "no-such-key"}).status_code == 404


def test_a_search_without_a_photo_or_with_a_wrong_number(club: Consoles) -> None:
    visitor = club.signed_in(Role.SEARCHER)
    visitor.get("/search")
    fields = {"collection": "club"}
    assert "Choose a photo first" in text_of(visitor.post("/search", fields).text)
    for wrong in (
        {"threshold": "101"},
        {"threshold": "nan"},
        {"max_candidates": "0"},
        {"max_candidates": "1.5"},
    ):
        answer = visitor.post("/search", fields | wrong, files={"photo": ("x.jpg", b"not an image")})
        assert (answer.status_code, 'role="alert"' in answer.text) == (400, True)
    assert visitor.post("/search", fields, files={"photo": ("x.jpg", b"not an image")}).status_code == 400
    answer = visitor.post("/search", {"collection": "none"}, files={"photo": ("x.jpg", b"x")})
    assert answer.status_code == 404
    assert not list(Path(club.assent.settings.data_dir).rglob("*.jpg"))


def test_an_upload_over_the_limit_is_a_readable_page(club: Consoles, monkeypatch: pytest.MonkeyPatch) -> None:
    import assent.console.app as app

    monkeypatch.setattr(app, "MAX_FORM_BYTES", 1000)
    visitor = Consoles.of(club.assent).signed_in()
    answer = visitor.post("/people", {"ref": "x" * 2000})
    assert answer.status_code == 413
    assert "Send fewer or smaller ones" in text_of(answer.text)
