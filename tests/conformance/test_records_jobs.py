"""Jobs in the records: leases, attempts, what is sealed, what goes with a consent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from assent.errors import AssentError, JobNotReady, NoLiveConsent, NotFound, TokenReused, TooManyJobs
from assent.store import JobDone, JobState, NewJob, NewMatch, Records, schema
from assent.store.scope import new_id
from tests.builders import Clock
from tests.unit.store.builders import COLLECTION, enrolled, make_collection

LEASE = timedelta(seconds=60)
NEW = NewJob(id="", kind="timeline", parameters={"video": {"key": "Ana's party.mp4"}})


def add(records: Records, **changes: Any) -> str:
    job_id = new_id()
    with records.transaction() as tx:
        tx.add_job(replace(NEW, id=job_id, **changes), max_open=20)
    return job_id


def claim(records: Records, worker: str, **options: Any) -> Any:
    with records.transaction() as tx:
        return tx.claim_job(worker, **{"lease": LEASE, "max_attempts": 3, "kinds": ["timeline"], **options})


def finish(records: Records, job_id: str, worker: str, *matches: NewMatch, **done: Any) -> bool:
    with records.transaction() as tx:
        return tx.finish_job(job_id, worker, JobDone(b"boxes", matches, **done))


def test_who_waited_longest_is_next_and_is_taken_once(records: Records, clock: Clock) -> None:
    first = add(records)
    clock.advance(seconds=1)
    second = add(records)
    assert claim(records, "w-1").id == first
    assert claim(records, "w-2", but=[second]) is None
    assert claim(records, "w-2", kinds=["redact"]) is None
    assert claim(records, "w-2").id == second
    assert claim(records, "w-3") is None
    with records.reading() as tx:
        assert not tx.has_work(kinds=["timeline"])
        assert [job.id for job in tx.jobs()] == [second, first]
        assert tx.job(first).lease_until == clock.at - timedelta(seconds=0) + LEASE


def test_a_lost_workers_job_is_taken_up_again_and_the_lost_one_can_end_it_no_more(
    records: Records, clock: Clock
) -> None:
    job_id = add(records)
    claim(records, "w-1")
    clock.advance(seconds=59)
    with records.transaction() as tx:
        assert tx.renew_job(job_id, "w-1", lease=LEASE, progress=0.4)
        assert tx.job(job_id).progress == 0.4
    clock.advance(seconds=59)
    assert claim(records, "w-2") is None
    clock.advance(seconds=2)
    with records.reading() as tx:
        assert tx.has_work(kinds=["timeline"])
        assert not tx.has_work(kinds=["redact"])
        assert not tx.has_work(kinds=["timeline"], but=[job_id])
    taken = claim(records, "w-2")
    assert (taken.id, taken.attempts, taken.progress) == (job_id, 2, 0.0)
    with records.transaction() as tx:
        assert not tx.renew_job(job_id, "w-1", lease=LEASE, progress=0.9)
        assert not tx.fail_job(job_id, "w-1", "X", "x")
        tx.release_job(job_id, "w-1")
    assert not finish(records, job_id, "w-1")
    assert finish(records, job_id, "w-2")
    with records.reading() as tx:
        assert tx.job(job_id).state is JobState.SUCCEEDED
        assert tx.job_result(job_id) == b"boxes"


def test_after_so_many_attempts_it_fails(records: Records, clock: Clock) -> None:
    job_id = add(records)
    for worker in ("w-1", "w-2", "w-3"):
        assert claim(records, worker).id == job_id
        clock.advance(seconds=61)
    assert claim(records, "w-4") is None
    with records.reading() as tx:
        job = tx.job(job_id)
        assert (job.state, job.error, job.attempts) == (JobState.FAILED, "WorkerLost", 3)
        assert "log" in (tx.job_message(job_id) or "")


def test_what_is_given_back_counts_as_no_attempt(records: Records) -> None:
    job_id = add(records)
    claim(records, "w-1")
    with records.transaction() as tx:
        tx.release_job(job_id, "w-1")
        assert (tx.job(job_id).state, tx.job(job_id).attempts) == (JobState.QUEUED, 0)
        assert tx.cancel_job(job_id).state is JobState.CANCELLED
        assert tx.cancel_job(job_id).state is JobState.CANCELLED
    assert claim(records, "w-2") is None


def test_tokens_and_the_limit(records: Records) -> None:
    first = add(records, token="t", request_sha256="a" * 64)
    with records.transaction() as tx:
        again = tx.add_job(replace(NEW, id=new_id(), token="t", request_sha256="a" * 64), max_open=1)
        assert again.id == first
        with pytest.raises(TokenReused):
            tx.add_job(replace(NEW, id=new_id(), token="t", request_sha256="b" * 64), max_open=9)
        with pytest.raises(TooManyJobs):
            tx.add_job(replace(NEW, id=new_id()), max_open=1)
        with pytest.raises(NotFound):
            tx.add_job(replace(NEW, id=new_id(), collection_name="none"), max_open=9)


def test_nothing_that_may_name_somebody_stands_in_clear(records: Records, database_url: str) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
    job_id = add(records, collection_name=COLLECTION)
    claim(records, "w")
    match = NewMatch(made.consent.person_id, made.consent.id, {"similarity": 97.5})
    assert finish(records, job_id, "w", match, output_key=b"k" * 32, output_name="party.mp4")
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        rows = [
            str(dict(row))
            + "".join(bytes(v).hex() for v in row.values() if isinstance(v, bytes | memoryview))
            for table in (schema.jobs, schema.job_matches, schema.job_outputs)
            for row in connection.execute(sa.select(table)).mappings()
        ]
    engine.dispose()
    text = "".join(rows)
    for word in ("Ana", "boxes", "97.5", "kkkk", b"boxes".hex(), b"Ana".hex(), b"97.5".hex()):
        assert word not in text
    with records.reading() as tx:
        assert tx.job_parameters(job_id) == NEW.parameters
        [found] = tx.job_matches(job_id)
        assert (found.person_ref, found.person_name, found.details) == (
            "p-1",
            "Name of p-1",
            {"similarity": 97.5},
        )
        assert tx.job_output(job_id) == (b"k" * 32, "party.mp4")
    records.rotate_master_key()
    with records.reading() as tx:
        assert tx.job_result(job_id) == b"boxes"


@pytest.mark.parametrize("how", ["withdraw", "erase"])
def test_a_no_takes_results_with_it(records: Records, how: str) -> None:
    with records.transaction() as tx:
        ana, bea = enrolled(tx, "p-1", 1), enrolled(tx, "p-2", 2)
    matches = [
        NewMatch(made.consent.person_id, made.consent.id, {}, is_pictured=made is ana) for made in (ana, bea)
    ]
    job_id = add(records, collection_name=COLLECTION)
    claim(records, "w")
    finish(records, job_id, "w", *matches, output_key=b"k" * 32)
    with records.transaction() as tx:
        tx.withdraw(ana.consent.id) if how == "withdraw" else tx.erase_person("p-1")
        # in the same transaction already
        assert [match.person_ref for match in tx.job_matches(job_id)] == ["p-2"]
        with pytest.raises(NotFound):
            tx.job_output(job_id)
        assert tx.job_result(job_id) == b"boxes"


def test_expiry_needs_nobody_to_notice(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, expires_at=clock.at + timedelta(days=3))
    job_id = add(records)
    claim(records, "w")
    match = NewMatch(made.consent.person_id, made.consent.id, {}, is_pictured=True)
    finish(records, job_id, "w", match, output_key=b"k" * 32)
    clock.advance(days=3)
    with records.reading() as tx:
        assert tx.job_matches(job_id) == []
        with pytest.raises(NotFound):
            tx.job_output(job_id)
    with records.transaction() as tx:
        assert len(tx.sweep_expired()) == 1


def test_a_no_between_the_search_and_its_result_is_heeded(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
    job_id = add(records)
    claim(records, "w")
    with records.transaction() as tx:
        tx.withdraw(made.consent.id)
    match = NewMatch(made.consent.person_id, made.consent.id, {}, is_pictured=True)
    assert finish(records, job_id, "w", match, output_key=b"k" * 32)
    with records.reading() as tx:
        assert tx.job_matches(job_id) == []
        assert not tx.has_job_output(job_id)


def test_the_database_itself_keeps_results_and_consents_together(records: Records, database_url: str) -> None:
    with records.transaction() as tx:
        ana, bea = enrolled(tx, "p-1", 1), enrolled(tx, "p-2", 2)
    job_id = add(records)
    claim(records, "w")
    finish(records, job_id, "w", NewMatch(ana.consent.person_id, ana.consent.id, {}))
    with records.transaction() as tx:
        tx.withdraw(bea.consent.id)
    row = {"id": new_id(), "job_id": job_id, "is_pictured": False, "sealed": b"x"}
    with pytest.raises(NoLiveConsent), records.transaction() as tx:
        tx._connection.execute(
            sa.insert(schema.job_matches).values(
                **row, person_id=bea.consent.person_id, consent_id=bea.consent.id
            )
        )
    with pytest.raises(NoLiveConsent), records.transaction() as tx:
        tx._connection.execute(
            sa.insert(schema.job_matches).values(
                **row, person_id=bea.consent.person_id, consent_id=ana.consent.id
            )
        )
    ended = sa.update(schema.consents).where(schema.consents.c.id == ana.consent.id)
    with records.transaction() as tx:
        tx._connection.execute(sa.delete(schema.templates))
    with pytest.raises(AssentError, match="results-outlive-consent"), records.transaction() as tx:
        tx._connection.execute(ended.values(withdrawn_at=tx.now))


def test_results_go_after_their_time_and_with_their_collection(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        make_collection(tx)
    old, young = add(records), add(records, collection_name=COLLECTION)
    claim(records, "w", but=[young])
    finish(records, old, "w")
    clock.advance(days=7)
    with records.transaction() as tx:
        assert tx.sweep_jobs(keep=timedelta(days=7)) == 1
        with pytest.raises(NotFound):
            tx.job(old)
        tx.delete_collection(COLLECTION)
        assert tx.jobs() == []


def test_who_wants_to_know_is_told_once_or_so_often(records: Records, clock: Clock) -> None:
    job_id = add(records, wants_notice=True)
    lease = timedelta(seconds=30)
    with records.transaction() as tx:
        assert tx.claim_notice(lease=lease, max_attempts=2) is None  # not ended yet
        tx.cancel_job(job_id)
        assert tx.has_due_notice()
        found = tx.claim_notice(lease=lease, max_attempts=2)
        assert found is not None
        assert (found[0].id, found[1]) == (job_id, 1)
        assert tx.claim_notice(lease=lease, max_attempts=2) is None
        tx.settle_notice(job_id, again_in=timedelta(seconds=5))
    clock.advance(seconds=6)
    with records.transaction() as tx:
        again = tx.claim_notice(lease=lease, max_attempts=2)
        assert again is not None
        assert again[1] == 2
    clock.advance(seconds=31)
    with records.transaction() as tx:
        assert tx.claim_notice(lease=lease, max_attempts=2) is None  # given up
        assert not tx.has_due_notice()


def test_a_job_is_done_once_more_with_other_decisions_and_kept_no_longer_for_it(
    records: Records, clock: Clock
) -> None:
    job_id = add(records, kind="redact-all", has_upload=True)
    with records.transaction() as tx, pytest.raises(JobNotReady):
        tx.redo_job(job_id, result=b"new", log={})
    claim(records, "w-1", kinds=["redact-all"])
    finish(records, job_id, "w-1", output_key=bytes(32))
    first_end = clock.at
    clock.advance(days=6)
    with records.transaction() as tx:
        assert (tx.has_job_output(job_id), tx.job_files()[job_id]) == (True, (True, True))
        assert tx.redo_job(job_id, result=b"new", log={"num_shown": 1}).state is JobState.QUEUED
        assert (tx.has_job_output(job_id), tx.job_result(job_id)) == (False, None)
        assert tx.job_earlier_result(job_id) == b"new"
    assert claim(records, "w-2", kinds=["redact-all"]).attempts == 1
    finish(records, job_id, "w-2", output_key=bytes(32))
    with records.transaction() as tx:
        assert (tx.job(job_id).ended_at, tx.job_result(job_id)) == (first_end, b"boxes")
        assert [entry.kind for entry in tx.log_entries(kind="video.edited")] == ["video.edited"]
    clock.advance(days=1)
    with records.transaction() as tx:
        assert tx.sweep_jobs(keep=timedelta(days=7)) == 1
        assert tx.job_files() == {}


def test_an_upload_is_kept_only_of_what_can_be_rendered_again(records: Records) -> None:
    for kind, is_kept in (("redact-others", True), ("timeline", False)):
        job_id = add(records, kind=kind, has_upload=True)
        claim(records, "w-1", kinds=[kind])
        finish(records, job_id, "w-1")
        with records.transaction() as tx:
            assert tx.job_files()[job_id] == (is_kept, False)
    failed = add(records, kind="redact-others", has_upload=True)
    claim(records, "w-1", kinds=["redact-others"])
    with records.transaction() as tx:
        tx.fail_job(failed, "w-1", "X", "x")
        assert tx.job_files()[failed] == (False, False)
        assert tx.job_earlier_result(failed) is None


def test_whom_it_named_is_named_anew_each_time(records: Records) -> None:
    with records.transaction() as tx:
        consent = enrolled(tx, "p-1", 1).consent
    job_id = add(records, kind="redact-others")
    match = NewMatch(consent.person_id, consent.id, {"track": 0})
    for is_pictured in (True, False):
        claim(records, "w-1", kinds=["redact-others"])
        finish(records, job_id, "w-1", replace(match, is_pictured=is_pictured), output_key=bytes(32))
        with records.transaction() as tx:
            [found] = tx.job_matches(job_id)
            assert (found.is_pictured, found.details) == (is_pictured, {"track": 0})
            if is_pictured:
                tx.redo_job(job_id, result=b"new", log={})
    with records.transaction() as tx:
        tx.withdraw(consent.id)
        assert (tx.job_matches(job_id), tx.has_job_output(job_id)) == ([], True)


@pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
def test_a_job_is_deleted_in_any_state_with_its_key(records: Records, state: str) -> None:
    job_id = add(records)
    if state != "queued":
        claim(records, "w-1")
    if state == "succeeded":
        finish(records, job_id, "w-1", output_key=bytes(32))
    with records.transaction() as tx:
        tx.delete_job(job_id)
        with pytest.raises(NotFound):
            tx.job(job_id)
        with pytest.raises(NotFound):
            tx.delete_job(job_id)
        assert not tx.renew_job(job_id, "w-1", lease=LEASE, progress=0.5)
        assert [entry.kind for entry in tx.log_entries(kind="job.deleted")] == ["job.deleted"]
    assert not finish(records, job_id, "w-1")
