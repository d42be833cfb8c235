"""Notices and consents: complete, live, for one purpose, for a term."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest

from assent.errors import AlreadyExists, IncompleteConsent, NoLiveConsent, NotFound, UsageError, WrongPurpose
from assent.store import EndCause, Records
from assent.store.values import years_later
from tests.builders import Clock
from tests.unit.store.builders import COLLECTION, PURPOSE, agree, consent_fields, enrolled


def test_a_notice_is_kept_with_the_hash_of_its_exact_text(records: Records) -> None:
    text = "  Wir erkennen Sie an der Tür.\r\n"
    with records.transaction() as tx:
        notice = tx.add_notice(version="2026-01", language="de", text=text)
        assert tx.notice(notice.id) == notice
        assert tx.notices() == [notice]
    assert notice.text == text
    assert notice.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_a_notice_is_never_changed(records: Records) -> None:
    with records.transaction() as tx:
        first = tx.add_notice(version="1", language="en", text="We look.")
        assert tx.add_notice(version="1", language="en", text="We look.") == first
        assert tx.add_notice(version="1", language="fr", text="Nous regardons.") != first
        with pytest.raises(AlreadyExists, match="record the new text under a new version"):
            tx.add_notice(version="1", language="en", text="We look twice.")


@pytest.mark.parametrize(
    ("field", "value"),
    [("version", ""), ("version", "1 0"), ("language", "english!"), ("text", ""), ("text", " \n")],
)
def test_a_malformed_notice_is_refused(records: Records, field: str, value: str) -> None:
    fields = {"version": "1", "language": "en", "text": "We look.", field: value}
    with records.transaction() as tx, pytest.raises(UsageError, match=f"^{field} must be"):
        tx.add_notice(**fields)


def test_a_consent_is_kept_with_everything_the_law_asks_for(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        consent = agree(tx, "p-1")
        notice = tx.notice(consent.notice_id)
    with records.reading() as reading:
        assert reading.consent(consent.id) == consent
        assert reading.consents() == reading.consents("p-1") == [consent]
    assert (consent.person_ref, consent.controller, consent.purpose) == ("p-1", "The Club", PURPOSE)
    assert (consent.notice_version, consent.notice_language) == ("2026-01", "en")
    assert consent.notice_sha256 == notice.sha256
    assert (consent.given_at, consent.expires_at) == (clock.at, clock.at + timedelta(days=365))
    assert consent.withdrawn_at is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, None) for name in ("controller", "purpose", "notice_id", "method", "evidence_sha256")),
        *((name, None) for name in ("legal_basis", "given_at", "expires_at")),
        ("controller", "  "),
        ("controller", "x" * 201),
        ("purpose", "Door Opening"),
        ("purpose", ""),
        ("notice_id", "no-such-notice"),
        ("method", "a nod"),
        ("evidence_sha256", "abc"),
        ("evidence_sha256", "A" * 64),
        ("legal_basis", "two\nlines"),
        ("given_at", datetime(2026, 1, 1)),
        ("given_at", datetime(2100, 1, 1, tzinfo=UTC)),
        ("expires_at", datetime(2027, 1, 1)),
        ("expires_at", datetime(2020, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_missing_or_malformed_field_is_named(records: Records, field: str, value: object) -> None:
    with records.transaction() as tx:
        tx.add_person("p-1")
        with pytest.raises(IncompleteConsent, match=f"^{field} must"):
            tx.record_consent("p-1", **consent_fields(tx, **{field: value}))
        assert tx.consents() == []


def test_times_are_kept_in_utc_to_the_microsecond(records: Records, clock: Clock) -> None:
    given = clock.at.astimezone(timezone(timedelta(hours=9))) - timedelta(microseconds=1)
    with records.transaction() as tx:
        consent = agree(tx, "p-1", given_at=given)
    assert consent.given_at == given
    assert consent.given_at.utcoffset() == timedelta(0)


def test_unknown_ids_are_not_found(records: Records) -> None:
    with records.transaction() as tx:
        for ask in (
            tx.notice,
            tx.consent,
            tx.withdraw,
            tx.touch_interaction,
            tx.template,
            tx.remove_template,
        ):
            with pytest.raises(NotFound):
                ask("00000000-0000-0000-0000-000000000000")
        with pytest.raises(NotFound):
            tx.record_consent("nobody", **consent_fields(tx))
        with pytest.raises(NotFound):
            tx.live_consent("nobody", PURPOSE)


def test_the_live_consent_is_the_one_that_lasts_longest(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        agree(tx, "p-1", expires_at=clock.at + timedelta(days=10))
        longest = agree(tx, "p-1", expires_at=clock.at + timedelta(days=30))
        agree(tx, "p-1", expires_at=clock.at + timedelta(days=20))
        assert tx.live_consent("p-1", PURPOSE) == longest


def test_none_given_withdrawn_or_expired_is_not_live(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        tx.add_person("p-1")
        with pytest.raises(NoLiveConsent):
            tx.live_consent("p-1", PURPOSE)
        tx.withdraw(agree(tx, "p-1").id)
        with pytest.raises(NoLiveConsent):
            tx.live_consent("p-1", PURPOSE)
        expiring = agree(tx, "p-1", expires_at=clock.at + timedelta(days=1))
        assert tx.live_consent("p-1", PURPOSE) == expiring
    clock.advance(days=1)  # the term ends at expires_at, not after it
    with records.reading() as reading, pytest.raises(NoLiveConsent):
        reading.live_consent("p-1", PURPOSE)


def test_another_purpose_is_named(records: Records) -> None:
    with records.transaction() as tx:
        agree(tx, "p-1", purpose="newsletter")
        with pytest.raises(WrongPurpose, match="cover only: newsletter"):
            tx.live_consent("p-1", PURPOSE)


def test_three_years_without_interaction_end_a_consent(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, expires_at=clock.at + timedelta(days=3650))
    start = clock.at
    assert made.consent.effective_expires_at == start.replace(year=start.year + 3)
    clock.at = start.replace(year=start.year + 3) - timedelta(microseconds=1)
    with records.transaction() as tx:
        assert tx.sweep_expired() == []
        assert len(tx.gallery_rows(COLLECTION)) == 1
    clock.advance(microseconds=1)
    with records.transaction() as tx:
        assert len(tx.gallery_rows(COLLECTION)) == 0  # even before the sweep
        [receipt] = tx.sweep_expired()
        assert (receipt.cause, receipt.num_templates) == (EndCause.EXPIRED, 1)
        assert tx.sweep_expired() == []


def test_an_interaction_moves_the_three_years(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, expires_at=clock.at + timedelta(days=3650))
        epoch = tx.gallery_epoch(COLLECTION)
    clock.advance(days=700)
    with records.transaction() as tx:
        touched = tx.touch_interaction(made.consent.id)
        assert touched.last_interaction_at == clock.at
        assert touched.effective_expires_at == years_later(clock.at, 3)
        # a loaded gallery must learn of the later end
        assert tx.gallery_epoch(COLLECTION) == epoch + 1


def test_an_interaction_that_does_not_move_the_end_leaves_the_epoch(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        epoch = tx.gallery_epoch(COLLECTION)
    clock.advance(days=1)
    with records.transaction() as tx:
        tx.touch_interaction(made.consent.id)
        assert tx.gallery_epoch(COLLECTION) == epoch


def test_an_ended_consent_does_not_come_back(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        expired = agree(tx, "p-1", expires_at=clock.at + timedelta(days=1))
        withdrawn = agree(tx, "p-1")
        tx.withdraw(withdrawn.id)
    clock.advance(days=2)
    with records.transaction() as tx:
        for consent in (expired, withdrawn):
            with pytest.raises(NoLiveConsent):
                tx.touch_interaction(consent.id)


def test_three_years_from_a_leap_day() -> None:
    assert years_later(datetime(2028, 2, 29, tzinfo=UTC), 3) == datetime(2031, 2, 28, tzinfo=UTC)
    assert years_later(datetime(2025, 2, 28, tzinfo=UTC), 3) == datetime(2028, 2, 28, tzinfo=UTC)
