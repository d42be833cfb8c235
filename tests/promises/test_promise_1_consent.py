"""Promise 1: nobody is recognised who did not say yes, and a stranger leaves no trail."""

from __future__ import annotations

import hashlib
import io
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assent import Assent
from assent.errors import ConsentError, NoLiveConsent, WrongPurpose
from assent.service.images import load_image
from assent.service.pictures import encode_png
from assent.types import Float32, Float64
from assent.vision.engine import FaceEngine
from tests.builders import Clock, agree, unit_templates
from tests.promises.builders import PURPOSE, files_under, side_by_side

# --- no template without a live consent


def test_enrolment_computes_nothing_before_a_live_consent(
    assent: Assent, demo_photos: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assent.collections.create("club", purpose=PURPOSE)
    assent.people.add("silent")
    agree(assent, "other", purpose="newsletter")
    withdrawn = agree(assent, "gone", purpose=PURPOSE)
    assent.consents.withdraw(withdrawn.id)
    agree(assent, "late", purpose=PURPOSE, days=1)
    clock.advance(days=1)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a photo was looked at before the consent was checked")

    for name in ("faces", "detect", "templates"):
        monkeypatch.setattr(FaceEngine, name, never)
    for person, error in (
        ("silent", NoLiveConsent),
        ("gone", NoLiveConsent),
        ("late", NoLiveConsent),
        ("other", WrongPurpose),
    ):
        with pytest.raises(error):
            assent.enrol(demo_photos / "obama.jpg", person=person, collection="club")
    assert assent.collections.get("club").num_templates == 0


def test_a_consent_that_ends_while_the_photo_is_looked_at_is_no_consent(
    club: Assent, demo_photos: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    templates = FaceEngine.templates

    def slow(engine: FaceEngine, *args: Any) -> Float32:
        made = templates(engine, *args)
        clock.advance(days=31)
        return made

    monkeypatch.setattr(FaceEngine, "templates", slow)
    with pytest.raises(NoLiveConsent):
        club.enrol(demo_photos / "obama3.jpg", person="ana", collection="club")
    assert club.collections.get("club").num_templates == 3


@pytest.mark.parametrize("state", ["absent", "withdrawn", "expired", "of another", "for another purpose"])
def test_the_store_takes_no_template_without_a_live_consent(club: Assent, clock: Clock, state: str) -> None:
    """Past the service: what another program built on the store could do."""
    consent = agree(club, "cid", purpose="newsletter" if state == "for another purpose" else PURPOSE, days=5)
    consent_id = {"absent": "no-such-consent", "of another": club.consents.list("ana")[0].id}.get(
        state, consent.id
    )
    if state == "withdrawn":
        club.consents.withdraw(consent.id)
    if state == "expired":
        clock.advance(days=6)
    before = club.collections.get("club").num_templates
    with pytest.raises((ConsentError, LookupError)), club._ctx.records.transaction() as tx:
        tx.add_template(
            "club", "cid", consent_id, unit_templates(1)[0], image_sha256=bytes(range(32)), quality={}
        )
    assert club.collections.get("club").num_templates == before


@pytest.fixture
def raw(club: Assent) -> Iterator[sqlite3.Connection]:
    """The database itself, opened past all of our code but with the foreign keys it declares."""
    connection = sqlite3.connect(club.settings.data_dir / "records.sqlite3")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.row_factory = sqlite3.Row
    yield connection
    connection.close()


def _insert_like(raw: sqlite3.Connection, **changes: object) -> None:
    row = dict(raw.execute("SELECT * FROM templates LIMIT 1").fetchone())
    row |= {"id": "f" * 36, "image_mac": b"another"} | changes
    marks = ", ".join("?" * len(row))
    raw.execute(f"INSERT INTO templates ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    raw.commit()


def test_the_database_declares_it_twice(raw: sqlite3.Connection) -> None:
    keys = {(key["from"], key["table"]) for key in raw.execute("PRAGMA foreign_key_list(templates)")}
    assert ("consent_id", "consents") in keys
    columns = {column["name"]: column["notnull"] for column in raw.execute("PRAGMA table_info(templates)")}
    assert columns["consent_id"] == columns["person_id"] == columns["collection_id"] == 1
    triggers = raw.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'templates'"
    ).fetchall()
    assert [row["sql"] for row in triggers if "BEFORE INSERT" in row["sql"].upper()]
    assert [row["sql"] for row in triggers if "BEFORE UPDATE" in row["sql"].upper()]


def test_the_database_itself_takes_no_template_without_a_live_consent(
    club: Assent, raw: sqlite3.Connection
) -> None:
    ana, bea = (club.consents.list(ref)[0] for ref in ("ana", "bea"))
    other = agree(club, "ana", purpose="newsletter")
    gone = agree(club, "ana", purpose=PURPOSE)
    club.consents.withdraw(gone.id)
    own = {"person_id": ana.person_id, "consent_id": ana.id}
    own_of = raw.execute("SELECT * FROM templates WHERE person_id = ?", [ana.person_id]).fetchone()
    for change in (
        {"consent_id": None},
        {"consent_id": "no-such-consent"},
        {"consent_id": gone.id},
        {"consent_id": other.id},
        {"consent_id": bea.id},
        {"person_id": "nobody"},
        {"person_id": bea.person_id},
        {"collection_id": "nowhere"},
    ):
        with pytest.raises(sqlite3.IntegrityError):
            _insert_like(raw, **{**dict(own_of), "id": "f" * 36, "image_mac": b"another", **own, **change})
        raw.rollback()
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(
                f"UPDATE templates SET {next(iter(change))} = ? WHERE id = ?",
                [next(iter(change.values())), own_of["id"]],
            )
        raw.rollback()
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute("DELETE FROM consents WHERE id = ?", [ana.id])
    raw.rollback()
    _insert_like(
        raw, **{**dict(own_of), "id": "f" * 36, "image_mac": b"another"}
    )  # what is refused is not the form


# --- a search returns only those whose consent covers the purpose at that moment


def test_a_consent_ends_by_the_clock_with_no_sweep(
    club: Assent, found: Callable[[Assent], list[str]], clock: Clock, demo_photos: Path
) -> None:
    [consent] = club.consents.list("ana")
    agree(club, "joe", purpose=PURPOSE, days=90)  # somebody else, of as many photos, is there still
    mirrored = encode_png(load_image(demo_photos / "biden.jpg", club.settings).image_rgb[:, ::-1])
    for photo in (demo_photos / "biden.jpg", mirrored):
        club.enrol(photo, person="joe", collection="club")
    clock.at = consent.expires_at - timedelta(microseconds=1)
    assert found(club) == ["ana"]
    clock.at = consent.expires_at
    assert found(club) == []
    with pytest.raises(NoLiveConsent):
        club.verify(b"", person="ana", collection="club", purpose=PURPOSE)


def test_a_withdrawal_by_another_handle_counts_at_once(
    club: Assent, found: Callable[[Assent], list[str]], open_assent: Callable[..., Assent]
) -> None:
    other = open_assent()
    assert found(club) == found(other) == ["ana"]
    other.consents.withdraw(other.consents.list("ana")[0].id)
    assert found(club) == []


def test_a_withdrawal_by_another_process_counts_at_once(
    club: Assent, found: Callable[[Assent], list[str]]
) -> None:
    assert found(club) == ["ana"]
    command = [sys.executable, "-m", "assent", "--data", str(club.settings.data_dir)]
    subprocess.run(
        [*command, "consent", "withdraw", club.consents.list("ana")[0].id, "--yes"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert found(club) == []


def test_a_withdrawal_while_the_probe_is_looked_at_counts(
    club: Assent,
    found: Callable[[Assent], list[str]],
    open_assent: Callable[..., Assent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other, templates = open_assent(), FaceEngine.templates
    [consent] = club.consents.list("ana")

    def slow(engine: FaceEngine, *args: Any) -> Float32:
        other.consents.withdraw(consent.id)
        return templates(engine, *args)

    monkeypatch.setattr(FaceEngine, "templates", slow)
    assert found(club) == []


def test_a_consent_covers_its_purpose_only(club: Assent, demo_photos: Path) -> None:
    """She is known to the data folder, agreed to another purpose, and is a stranger to this collection."""
    club.collections.create("door", purpose="entry")
    [first] = club.consents.list("ana")
    agree(club, "ana", purpose="entry")
    club.enrol(demo_photos / "obama_partial_face.jpg", person="ana", collection="door")
    club.consents.withdraw(first.id)
    for collection, purpose, who in (("club", PURPOSE, []), ("door", "entry", ["ana"])):
        result = club.search(demo_photos / "obama3.jpg", collection=collection, purpose=purpose)
        assert [c.person for c in result.candidates] == who
    for collection, purpose in (("club", "entry"), ("door", PURPOSE)):
        with pytest.raises(WrongPurpose):
            club.search(demo_photos / "obama3.jpg", collection=collection, purpose=purpose)
        with pytest.raises(WrongPurpose):
            club.verify(demo_photos / "obama3.jpg", person="ana", collection=collection, purpose=purpose)


def test_candidates_name_the_consent_that_allows_them(club: Assent, demo_photos: Path, clock: Clock) -> None:
    result = club.search(demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE)
    [candidate] = result.candidates
    consent = club.consents.get(candidate.consent_id)
    assert consent.is_live(clock.at)
    assert (consent.person_ref, consent.purpose) == (candidate.person, PURPOSE)


# --- strangers


def test_strangers_leave_nothing(
    club: Assent, demo_photos: Path, engine: FaceEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stranger = demo_photos / "biden.jpg"
    buffer = io.BytesIO()
    side_by_side(demo_photos / "obama3.jpg", stranger).save(buffer, "JPEG", quality=90)
    folders = (tmp_path,)
    before = _counts(club)
    for _ in range(2):
        for photo in (stranger, buffer.getvalue()):
            club.search(photo, collection="club", purpose=PURPOSE, thorough=True)
            club.annotate(photo, club.search(photo, collection="club", purpose=PURPOSE))
            club.detect(photo)
        assert not club.verify(stranger, person="ana", collection="club", purpose=PURPOSE).is_match
    assert _counts(club) == before

    templates = np.concatenate([_templates(engine, photo, club) for photo in (stranger, buffer.getvalue())])
    assert len(templates) == 3
    needles = _needles(stranger.read_bytes()) + _needles(buffer.getvalue())
    club.close()  # the write-ahead log is written back
    for path, data in files_under(*folders).items():
        assert not [needle for needle in needles if needle in data], path
        assert not any(_holds(data, template) for template in templates), path
    assert "".join(record.getMessage() for record in caplog.records if record.name.startswith("assent")) == ""


def test_the_needles_are_found_where_there_is_something() -> None:
    """The test above can fail."""
    photo = bytes(np.random.default_rng(0).integers(0, 256, 5000, np.uint8))
    for data in (photo[:300], hashlib.sha256(photo).hexdigest().encode()):
        assert [needle for needle in _needles(photo) if needle in b"head" + data + b"tail"]
    template = unit_templates(1)[0]
    almost = template + np.float32(1e-6)
    for kept in (template[32:48].tobytes(), almost.tobytes(), template.astype(np.float64).tobytes()):
        assert _holds(b"odd" + kept, template)
    assert _holds(repr(template.tolist()).encode(), template)
    assert not _holds(unit_templates(1, seed=1).tobytes(), template)


def _templates(engine: FaceEngine, photo: Path | bytes, club: Assent) -> Float32:
    image_rgb = load_image(photo, club.settings).image_rgb
    return engine.templates(image_rgb, engine.faces(image_rgb))


def _needles(photo: bytes) -> list[bytes]:
    """What would betray a photo: stretches of its file, and its hash."""
    digest = hashlib.sha256(photo)
    parts = [photo[i : i + 64] for i in range(0, len(photo) - 64, 64)]
    return [*parts, digest.digest(), digest.hexdigest().encode()]


def _holds(data: bytes, template: Float32) -> bool:
    """Whether four numbers of the template follow each other in the data, as float32, float64 or text."""
    for kind in ("<f4", "<f8"):
        size = np.dtype(kind).itemsize
        for offset in range(size):
            whole = max((len(data) - offset) // size, 0)
            with np.errstate(invalid="ignore"):  # signalling NaNs
                numbers = np.frombuffer(data[offset : offset + whole * size], kind).astype(np.float64)
            numbers = np.where(np.abs(numbers) <= 1, numbers, 9.0)  # noise, infinities, NaN
            if len(numbers) >= 4 and _has_a_run(numbers, template):
                return True
    return sum(f"{float(value):.4f}"[:-1].encode() in data for value in template) > len(template) // 2


def _has_a_run(numbers: Float64, template: Float32) -> bool:
    for start in range(0, len(template) - 4, 4):
        at = np.flatnonzero(np.abs(numbers[:-3] - template[start]) < 1e-5)
        if any(np.abs(numbers[i : i + 4] - template[start : start + 4]).max() < 1e-5 for i in at):
            return True
    return False


def _counts(club: Assent) -> dict[str, int]:
    """Rows of every table that could hold a person."""
    with sqlite3.connect(club.settings.data_dir / "records.sqlite3") as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {t: database.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}
    database.close()
    return {table: number for table, number in counts.items() if table != "log_entries"}


def test_a_record_of_a_search_says_of_strangers_only_how_many(club: Assent, demo_photos: Path) -> None:
    def body(photo: bytes | Path) -> dict[str, Any]:
        club.search(photo, collection="club", purpose=PURPOSE)
        entry = club.log(kinds=("search",))[-1]
        return {key: value for key, value in entry.items() if key not in ("seq", "at", "leaf_sha256")}

    def png(*names: str) -> bytes:
        buffer = io.BytesIO()
        side_by_side(*(demo_photos / name for name in names)).save(buffer, "PNG")
        return buffer.getvalue()

    alone, with_stranger = body(png("obama3.jpg")), body(png("obama3.jpg", "biden.jpg"))
    assert (alone["num_faces"], with_stranger["num_faces"]) == (1, 2)
    assert [set(c) for c in alone["candidates"]] == [{"person", "consent", "fmr_at_score"}]
    for entry in (alone, with_stranger):
        entry.pop("num_faces")
        entry["candidates"] = [c["person"] for c in entry["candidates"]]
    assert alone == with_stranger

    # two strangers cannot be told apart, nor one stranger be followed
    club.consents.withdraw(club.consents.list("ana")[0].id)
    assert body(demo_photos / "obama3.jpg") == body(demo_photos / "biden.jpg")
