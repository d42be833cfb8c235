"""Many consents at once: each row stands or falls on its own, and a dry run changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from assent import Assent
from assent.errors import IncompleteConsent, NotFound, UsageError
from assent.service.importing import REQUIRED, RowState

HEADER = ",".join([*REQUIRED, "name"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "paper"
    folder.mkdir()
    (folder / "notice.txt").write_text("We keep a template of your face.")
    for person in ("ana", "bea", "cid"):
        (folder / f"{person}.pdf").write_bytes(f"signed {person}".encode())
    return folder


def row(person: str, **changes: str) -> str:
    fields = {
        "person": person,
        "purpose": "club-photos",
        "controller": "Chess Club",
        "notice": "notice.txt",
        "notice_version": "1",
        "language": "en",
        "method": "written-signature",
        "evidence": f"{person}.pdf",
        "until": "2027-12-31",
        "name": person.title(),
    } | changes
    return ",".join(f'"{value}"' for value in fields.values())


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "members.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def counts(assent: Assent) -> tuple[int, int, int]:
    return len(assent.people.list()), len(assent.consents.list()), len(assent.log())


def test_a_dry_run_checks_everything_and_changes_nothing(assent: Assent, folder: Path) -> None:
    path = write(folder, row("ana"), row("bea", method="telepathy"))
    before = counts(assent)
    good, bad = assent.import_consents(path, dry_run=True)
    assert (good.state, good.consent_id) == (RowState.WOULD_RECORD, None)
    assert (bad.state, bad.line) == (RowState.REFUSED, 3)
    assert "method" in bad.message
    assert counts(assent) == before


def test_a_row_that_lacks_something_is_refused_and_the_rest_stand(assent: Assent, folder: Path) -> None:
    path = write(folder, row("ana"), row("bea", until=""), row("cid", evidence="lost.pdf"))
    ana, bea, cid = assent.import_consents(path, dry_run=False)
    assert (ana.state, bea.state, cid.state) == (RowState.RECORDED, RowState.REFUSED, RowState.REFUSED)
    assert "until must not be empty" in bea.message
    assert "lost.pdf" in cid.message
    assert [(person.ref, person.name) for person in assent.people.list()] == [("ana", "Ana")]
    [consent] = assent.consents.list("ana")
    assert consent.id == ana.consent_id
    assert consent.expires_at.isoformat() == "2028-01-01T00:00:00+00:00"


def test_the_mended_file_may_be_imported_again(assent: Assent, folder: Path) -> None:
    [first, _] = assent.import_consents(write(folder, row("ana"), row("bea", until="soon")), dry_run=False)
    again = assent.import_consents(write(folder, row("ana"), row("bea")), dry_run=False)
    assert [item.state for item in again] == [RowState.PRESENT, RowState.RECORDED]
    assert again[0].consent_id == first.consent_id
    assent.consents.withdraw(str(first.consent_id))
    [renewed, _] = assent.import_consents(write(folder, row("ana"), row("bea")), dry_run=False)
    assert renewed.state is RowState.RECORDED


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"purpose": "Club Photos"}, "purpose", id="malformed purpose"),
        pytest.param({"person": "an a", "evidence": "ana.pdf"}, "ref", id="malformed id"),
        pytest.param({"until": "2025-01-01"}, "expires_at must be after", id="ended before it began"),
        pytest.param({"until": "9999-12-31"}, "until must be a day", id="the last day there is"),
        pytest.param({"until": "2027-01-01T10:00:00"}, "time zone", id="time without a zone"),
        pytest.param({"evidence": "z" * 64}, "there is no", id="neither a file nor a sha256"),
        pytest.param({"notice": "ana.bin"}, "UTF-8", id="a notice that is not text"),
    ],
)
def test_what_is_wrong_with_a_row_is_said(
    assent: Assent, folder: Path, changes: dict[str, str], message: str
) -> None:
    (folder / "ana.bin").write_bytes(b"\xff\xfe\x00")
    [refused] = assent.import_consents(write(folder, row(**{"person": "ana", **changes})), dry_run=False)
    assert refused.state is RowState.REFUSED
    assert message in refused.message
    assert assent.people.list() == ()


def test_a_hash_will_do_for_evidence(assent: Assent, folder: Path) -> None:
    [made] = assent.import_consents(write(folder, row("ana", evidence="AB" * 32)), dry_run=False)
    assert made.state is RowState.RECORDED
    assert assent.consents.list("ana")[0].evidence_sha256 == "ab" * 32


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("person,purpose\n", "missing: controller", id="columns missing"),
        pytest.param(HEADER + ",sex\n", "not known: sex", id="a column that is not ours to keep"),
        pytest.param(HEADER + ',"\n', "missing|not CSV", id="quotes that do not close"),
    ],
)
def test_another_file_is_refused_whole(assent: Assent, folder: Path, text: str, message: str) -> None:
    path = folder / "members.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        assent.import_consents(path, dry_run=False)
    path.write_text("")
    with pytest.raises(IncompleteConsent, match="an empty one"):
        assent.import_consents(path, dry_run=False)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UsageError, match="UTF-8"):
        assent.import_consents(path, dry_run=False)
    with pytest.raises(NotFound):
        assent.import_consents(folder / "nowhere.csv", dry_run=False)


def test_too_many_cells_are_refused(assent: Assent, folder: Path) -> None:
    [refused] = assent.import_consents(write(folder, row("ana") + ",extra"), dry_run=False)
    assert "more cells" in refused.message
