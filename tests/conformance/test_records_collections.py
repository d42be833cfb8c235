"""Collections and templates: sealed, counted, and only under a live consent to the purpose."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from assent.errors import AlreadyExists, NoLiveConsent, NotFound, StoreUnavailable, UsageError, WrongPurpose
from assent.store import GallerySize, Records, rows, schema
from assent.store.values import GalleryKind
from tests.builders import Clock
from tests.unit.store.builders import (
    COLLECTION,
    DIM,
    PURPOSE,
    agree,
    enrol,
    enrolled,
    image_sha256,
    make_collection,
    mean_of,
    unit_vector,
)


def test_a_collection_is_found_by_name(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        made = tx.create_collection(
            "door", purpose=PURPOSE, model_digest="m1", dim=128, fpir_target=0.001, preset="strict"
        )
        assert tx.collection("door") == made
        assert tx.collections() == [made]
        assert tx.gallery_size("door") == GallerySize(num_people=0, num_templates=0)
        assert tx.gallery_rows("door").vectors.shape == (0, 128)
        with pytest.raises(NotFound):
            tx.collection("window")
        with pytest.raises(NotFound):
            tx.gallery_epoch("window")
        with pytest.raises(AlreadyExists):
            make_collection(tx, "door")
    assert (made.purpose, made.fpir_target, made.preset) == (PURPOSE, 0.001, "strict")
    assert (made.model_digest, made.dim, made.epoch, made.created_at) == ("m1", 128, 0, clock.at)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a b"),
        ("name", "x" * 256),
        ("purpose", "Door"),
        ("model_digest", ""),
        ("dim", 0),
        ("dim", 4097),
        ("fpir_target", 0.0),
        ("fpir_target", 1.0),
        ("fpir_target", float("nan")),
        ("preset", "Strict!"),
    ],
)
def test_a_malformed_collection_is_refused(records: Records, field: str, value: object) -> None:
    fields: dict[str, Any] = {
        "name": "door",
        "purpose": PURPOSE,
        "model_digest": "m1",
        "dim": 128,
        field: value,
    }
    name = fields.pop("name")
    with records.transaction() as tx, pytest.raises(UsageError, match=f"^{field} must be"):
        tx.create_collection(name, **fields)


def test_a_policy_can_be_set(records: Records) -> None:
    with records.transaction() as tx:
        make_collection(tx)
        changed = tx.set_policy(COLLECTION, fpir_target=0.001, preset="strict")
        assert (changed.fpir_target, changed.preset) == (0.001, "strict")
        with pytest.raises(UsageError):
            tx.set_policy(COLLECTION, fpir_target=2.0, preset="strict")


def test_templates_come_back_as_they_were(records: Records) -> None:
    with records.transaction() as tx:
        enrolled(tx, "p-2", 3)
        enrolled(tx, "p-1", 1, 2)
    with records.reading() as reading:
        rows = reading.gallery_rows(COLLECTION, "template")
        assert rows.person_refs == ("p-1", "p-1", "p-2")
        assert rows.vectors.dtype == np.float32
        assert {vector.tobytes() for vector in rows.vectors} == {
            unit_vector(seed).tobytes() for seed in (1, 2, 3)
        }
        np.testing.assert_array_equal(rows.num_templates, [1, 1, 1])
        assert set(rows.template_ids) == {item.id for item in reading.templates(COLLECTION)}
        own = reading.person_vectors(COLLECTION, "p-1")
        assert {vector.tobytes() for vector in own} == {unit_vector(seed).tobytes() for seed in (1, 2)}
        assert len(reading.templates(COLLECTION, "p-1")) == 2


def test_the_user_vector_is_the_unit_norm_mean(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, 2, 3)
        enrolled(tx, "p-2", 4)
        rows = tx.gallery_rows(COLLECTION)
        assert tx.gallery_size(COLLECTION) == GallerySize(num_people=2, num_templates=4)
    assert rows.person_refs == ("p-1", "p-2")
    assert rows.person_ids[0] == made.consent.person_id
    assert rows.template_ids == ()
    np.testing.assert_array_equal(rows.num_templates, [3, 1])
    np.testing.assert_allclose(rows.vectors[0], mean_of(1, 2, 3), atol=1e-6)
    np.testing.assert_array_equal(rows.vectors[1], unit_vector(4))
    np.testing.assert_allclose(np.linalg.norm(rows.vectors, axis=1), 1.0, atol=1e-6)
    end_s = (clock.at + timedelta(days=365)).timestamp()
    np.testing.assert_array_equal(rows.consent_expires_at_s, [end_s, end_s])


def test_rows_end_with_the_first_consent_they_rest_on(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        enrolled(tx, "p-1", 1)
        short = agree(tx, "p-1", expires_at=clock.at + timedelta(days=5))
        enrol(tx, "p-1", short, 2)
        [end_s] = tx.gallery_rows(COLLECTION).consent_expires_at_s
        assert end_s == short.expires_at.timestamp()
        ends_s = sorted(tx.gallery_rows(COLLECTION, "template").consent_expires_at_s)
        assert ends_s == [short.expires_at.timestamp(), (clock.at + timedelta(days=365)).timestamp()]
    clock.advance(days=5)
    with records.transaction() as tx:
        assert len(tx.gallery_rows(COLLECTION)) == 0  # the mean rests on an ended consent: not searched
        [vector] = tx.gallery_rows(COLLECTION, "template").vectors
        np.testing.assert_array_equal(vector, unit_vector(1))
        np.testing.assert_array_equal(tx.person_vectors(COLLECTION, "p-1"), [unit_vector(1)])
        tx.sweep_expired()
        [vector] = tx.gallery_rows(COLLECTION).vectors  # the mean of what remains
        np.testing.assert_array_equal(vector, unit_vector(1))


@pytest.mark.parametrize("given", ["2028-02-29", "2026-02-28", "2027-12-31"])
def test_rows_end_when_the_record_says(records: Records, clock: Clock, given: str) -> None:
    """The fast reading of ends against ``ConsentRecord.effective_expires_at``."""
    clock.at = clock.at.fromisoformat(f"{given}T23:59:59.999999+00:00")
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, expires_at=clock.at + timedelta(days=5000))
        [end_s] = tx.gallery_rows(COLLECTION).consent_expires_at_s
    assert end_s == made.consent.effective_expires_at.timestamp()


def test_each_template_and_each_end_raises_the_epoch(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        assert tx.gallery_epoch(COLLECTION) == 1
        enrol(tx, "p-1", made.consent, 2, 3)
        assert tx.gallery_epoch(COLLECTION) == 3
        tx.remove_template(made.templates[0].id)
        assert tx.gallery_epoch(COLLECTION) == 4
        receipt = tx.withdraw(made.consent.id)
        assert (receipt.destroyed[0].epoch_before, receipt.destroyed[0].epoch_after) == (4, 5)
        assert tx.gallery_epoch(COLLECTION) == 5


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.zeros(DIM, np.float32), "norm 0"),
        (unit_vector(1) * np.float32(1.01), "norm 1.01"),
        (np.full(DIM, np.nan, np.float32), "norm nan"),
        (np.full(DIM, np.inf, np.float32), "norm inf"),
        (unit_vector(1).astype(np.float64), r"\(16,\) float64"),
        (unit_vector(1, DIM - 1), r"\(15,\) float32"),
        (unit_vector(1)[None], r"\(1, 16\) float32"),
        (np.zeros(0, np.float32), r"\(0,\) float32"),
    ],
)
def test_a_vector_that_cannot_be_a_template_is_refused(records: Records, vector, message: str) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 2)
        expected = rf"must be \(16,\) float32 of norm 1, got {message}"
        with pytest.raises(UsageError, match=expected):
            tx.add_template(
                COLLECTION, "p-1", made.consent.id, vector, image_sha256=image_sha256(1), quality={}
            )
        assert tx.gallery_epoch(COLLECTION) == 1


@pytest.mark.parametrize(
    ("digest", "quality"),
    [
        (b"short", {}),
        (bytes(32), {"sharpness": float("nan")}),
        (bytes(32), {"sharpness": b""}),
        (bytes(32), {"sharpness": True}),
        (bytes(32), {"apparent_age": 31}),
        (bytes(32), {"reasons": []}),
    ],
)
def test_a_digest_or_quality_that_cannot_be_is_refused(records: Records, digest: bytes, quality) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 2)
        with pytest.raises(UsageError):
            tx.add_template(
                COLLECTION, "p-1", made.consent.id, unit_vector(1), image_sha256=digest, quality=quality
            )


def test_templates_that_cancel_out_have_no_mean(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        with pytest.raises(UsageError, match="opposite"):
            tx.add_template(
                COLLECTION, "p-1", made.consent.id, -unit_vector(1), image_sha256=bytes(32), quality={}
            )
        # even a caller who goes on has nothing half done
        assert tx.gallery_size(COLLECTION).num_templates == len(tx.templates(COLLECTION)) == 1


def test_a_removal_that_leaves_templates_without_a_mean_goes_through(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, 2)
        tx.add_template(
            COLLECTION, "p-1", made.consent.id, -unit_vector(1), image_sha256=bytes(32), quality={}
        )
        tx.remove_template(made.templates[1].id)
        [vector] = tx.gallery_rows(COLLECTION).vectors
    np.testing.assert_array_equal(abs(vector), abs(unit_vector(1)))


def test_the_same_image_is_enrolled_once_in_a_collection(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        other = agree(tx, "p-2")
        for ref, consent in (("p-1", made.consent), ("p-2", other)):
            with pytest.raises(AlreadyExists, match=made.templates[0].id):
                enrol(tx, ref, consent, 1)
        make_collection(tx, "window")
        enrol(tx, "p-1", made.consent, 1, collection="window")
        tx.withdraw(made.consent.id)
        enrol(tx, "p-2", other, 1)  # what is gone is not in the way


def test_image_macs_do_not_link_collections(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        make_collection(tx, "window")
        enrol(tx, "p-1", made.consent, 1, collection="window")
        macs = set(tx._connection.execute(sa.select(schema.templates.c.image_mac)).scalars())
        sealed = set(tx._connection.execute(sa.select(schema.templates.c.sealed)).scalars())
    assert len(macs) == len(sealed) == 2


def test_a_template_needs_this_persons_live_consent_to_the_purpose(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        make_collection(tx)
        agree(tx, "p-1")
        ended = agree(tx, "p-1")
        tx.withdraw(ended.id)
        short = agree(tx, "p-1", expires_at=clock.at + timedelta(seconds=1))
        elsewhere = agree(tx, "p-1", purpose="newsletter")
        of_another = agree(tx, "p-2")
    clock.advance(seconds=1)
    with records.transaction() as tx:
        for consent, refusal in (
            (ended, NoLiveConsent),
            (short, NoLiveConsent),
            (of_another, NoLiveConsent),
            (elsewhere, WrongPurpose),
        ):
            with pytest.raises(refusal):
                enrol(tx, "p-1", consent, 1)
        assert tx.templates(COLLECTION) == []
        assert tx.gallery_epoch(COLLECTION) == 0


def test_removing_one_template_leaves_the_others(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, 2, 3)
        gone = tx.remove_template(made.templates[1].id)
        assert (gone.num_destroyed, gone.num_remaining) == (1, 2)
        np.testing.assert_allclose(tx.gallery_rows(COLLECTION).vectors[0], mean_of(1, 3), atol=1e-6)
        tx.remove_template(made.templates[0].id)
        last = tx.remove_template(made.templates[2].id)
        assert last.num_remaining == 0
        assert len(tx.gallery_rows(COLLECTION)) == 0
        assert tx.live_consent("p-1", PURPOSE) == made.consent  # the yes stands


def test_deleting_a_collection_keeps_consents_and_other_collections(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        make_collection(tx, "window")
        enrol(tx, "p-1", made.consent, 2, collection="window")
        entry = tx.delete_collection(COLLECTION)
        assert entry.body["num_templates"] == 1
        with pytest.raises(NotFound):
            tx.gallery_rows(COLLECTION)
        assert [collection.name for collection in tx.collections()] == ["window"]
        assert len(tx.gallery_rows("window")) == 1
        assert tx.consent(made.consent.id).withdrawn_at is None
        make_collection(tx)
        assert len(tx.gallery_rows(COLLECTION)) == 0


def test_a_ciphertext_moved_to_another_row_does_not_open(records: Records) -> None:
    with records.transaction() as tx:
        enrolled(tx, "p-1", 1, 2)
        enrolled(tx, "p-2", 3)
        table = schema.user_vectors
        rows = tx._connection.execute(sa.select(table).order_by(table.c.num_templates)).all()
        tx._connection.execute(
            sa.update(table).where(table.c.person_id == rows[0].person_id).values(sealed=rows[1].sealed)
        )
        with pytest.raises(StoreUnavailable, match="altered, moved"):
            tx.gallery_rows(COLLECTION)


@pytest.mark.parametrize("table", ["templates", "user_vectors", "person_keys"])
def test_an_altered_byte_is_found(records: Records, table: str) -> None:
    column = "wrapped_key" if table == "person_keys" else "sealed"
    with records.transaction() as tx:
        enrolled(tx, "p-1", 1)
        target = schema.metadata.tables[table]
        blob = bytearray(tx._connection.execute(sa.select(target.c[column])).scalar_one())
        blob[20] ^= 1
        tx._connection.execute(sa.update(target).values({column: bytes(blob)}))
        with pytest.raises(StoreUnavailable, match="altered"):
            tx.gallery_rows(COLLECTION, "template" if table == "templates" else "user")


def test_another_kind_of_rows_is_refused(records: Records) -> None:
    with records.transaction() as tx:
        make_collection(tx)
        with pytest.raises(UsageError, match="one of user, template, associated"):
            tx.gallery_rows(COLLECTION, "person")  # type: ignore[arg-type]


def test_many_people_are_looked_for_in_several_statements(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement takes so many values and no more; what is found is the same."""
    with records.transaction() as tx:
        ids = [enrolled(tx, f"p-{i}", *range(3 * i, 3 * i + 1 + i % 2)).consent.person_id for i in range(5)]
        asked = [ids[4], ids[0], "nobody", ids[3], ids[1], ids[0]]
        kinds: tuple[GalleryKind, ...] = ("user", "template")
        at_once = {kind: tx.gallery_rows(COLLECTION, kind, person_ids=asked) for kind in kinds}
        monkeypatch.setattr(rows, "_PEOPLE_AT_ONCE", 2)
        for kind, expected in at_once.items():
            found = tx.gallery_rows(COLLECTION, kind, person_ids=asked)
            assert found.person_refs == expected.person_refs
            assert found.template_ids == expected.template_ids
            assert np.array_equal(found.vectors, expected.vectors)
            assert np.array_equal(found.consent_expires_at_s, expected.consent_expires_at_s)
        assert at_once["user"].person_refs == ("p-0", "p-1", "p-3", "p-4")
        assert tx.template_counts(COLLECTION, asked) == [1, 2, 2, 1]
        assert tx.template_counts(COLLECTION, []) == []


def test_who_changed_after_an_epoch_is_known(records: Records) -> None:
    with records.transaction() as tx:
        first, second = enrolled(tx, "p-1", 1), enrolled(tx, "p-2", 2)
        ids = [made.consent.person_id for made in (first, second)]
        assert set(tx.changed_people(COLLECTION, after_epoch=0)) == set(ids)
        assert tx.changed_people(COLLECTION, after_epoch=1) == [ids[1]]
        assert tx.changed_people(COLLECTION, after_epoch=2) == []
        tx.withdraw(first.consent.id)
        assert tx.changed_people(COLLECTION, after_epoch=2) == [ids[0]]
        assert tx.gallery_rows(COLLECTION, person_ids=ids).person_refs == ("p-2",)
        assert len(tx.gallery_rows(COLLECTION, "template", person_ids=[ids[0]])) == 0
        assert tx.gallery_rows(COLLECTION, person_ids=ids[1:]).epoch == 3
        tx.delete_collection(COLLECTION)
        with pytest.raises(NotFound):
            tx.changed_people(COLLECTION, after_epoch=0)
