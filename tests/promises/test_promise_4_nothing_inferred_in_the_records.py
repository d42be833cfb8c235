"""Promise 4: nothing is inferred about what a person is; the records have no place for it.

The columns are pinned. A new one is a decision: whoever adds it here says that it holds no trait of a person.
"""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from assent.store import PersonRecord, schema
from assent.store.templates import _MEASUREMENTS

COLUMNS = {
    "store": ["id", "store_id", "created_at", "assent_version", "master_key_id", "key_check"],
    "people": ["id", "ref", "name", "created_at", "erased_at"],
    "notices": ["id", "version", "language", "text", "sha256", "created_at"],
    "consents": [
        "id",
        "person_id",
        "controller",
        "purpose",
        "notice_id",
        "method",
        "evidence_sha256",
        "legal_basis",
        "given_at",
        "expires_at",
        "last_interaction_at",
        "recorded_at",
        "withdrawn_at",
        "withdrawal_channel",
        "withdrawal_reason",
    ],
    "collections": [
        "id",
        "name",
        "purpose",
        "fpir_target",
        "preset",
        "model_digest",
        "dim",
        "epoch",
        "wrapped_key",
        "wrapped_mac_key",
        "created_at",
        "review",
        "beyond_evidence",
    ],
    "collection_notes": ["collection_id", "name", "value"],
    "person_keys": ["collection_id", "person_id", "wrapped_key"],
    "templates": [
        "id",
        "collection_id",
        "person_id",
        "consent_id",
        "sealed",
        "image_mac",
        "quality",
        "created_at",
        "box",
        "sealed_thumbnail",
        "is_associated",
    ],
    "user_vectors": ["collection_id", "person_id", "num_templates", "sealed"],
    "users": ["collection_id", "person_id", "created_at"],
    "gallery_changes": ["collection_id", "person_id", "epoch"],
    "gallery_snapshots": [
        "id",
        "collection_id",
        "part",
        "kind",
        "epoch",
        "num_rows",
        "sha256",
        "wrapped_key",
        "created_at",
    ],
    "reviews": ["id", "collection_id", "asked_at", "expires_at", "status", "wrapped_key"],
    "review_pairs": [
        "id",
        "review_id",
        "person_id",
        "consent_id",
        "similarity",
        "fmr_at_score",
        "expected_false_candidates",
        "outcome",
        "sealed_probe",
    ],
    "review_judgements": ["pair_id", "holder", "verdict", "judged_at"],
    "access_keys": ["id", "holder", "roles", "sealed_secret", "created_at", "revoked_at"],
    "request_tokens": ["operation", "token", "request_sha256", "created_at"],
    "places": [
        "id",
        "name",
        "collection_id",
        "responsible",
        "notice",
        "keep_hours",
        "last_event",
        "created_at",
        "removed_at",
    ],
    "place_cameras": ["place_id", "name", "sealed_source"],
    "consent_places": ["consent_id", "place_id"],
    "live_events": [
        "place_id",
        "seq",
        "person_id",
        "consent_id",
        "camera",
        "kind",
        "at",
        "similarity",
        "fmr_at_score",
        "expected_false_candidates",
        "expires_at",
        "is_owed",
    ],
    "live_streams": [
        "id",
        "name",
        "place_id",
        "camera",
        "threshold",
        "actor",
        "facts",
        "is_wanted",
        "session_id",
        "state",
        "message",
        "worker",
        "address",
        "lease_until",
        "created_at",
        "changed_at",
        "key_id",
    ],
    "jobs": [
        "id",
        "kind",
        "actor",
        "key_id",
        "collection_id",
        "state",
        "progress",
        "attempts",
        "worker",
        "lease_until",
        "created_at",
        "started_at",
        "ended_at",
        "error",
        "has_upload",
        "token",
        "request_sha256",
        "wrapped_key",
        "sealed_parameters",
        "sealed_result",
        "notice_due_at",
        "notice_attempts",
    ],
    "job_matches": ["id", "job_id", "person_id", "consent_id", "is_pictured", "sealed"],
    "job_outputs": ["job_id", "sealed_key", "name"],
    "receipts": ["id", "consent_id", "body", "created_at"],
    "log_entries": ["seq", "at", "kind", "entry", "leaf_sha256"],
}
TRAITS = re.compile(
    r"(^|_)(age|birth|sex|gender|race|ethnic\w*|skin|nation\w*|religio\w*|emotion|mood|health|disab\w*|"
    r"attribute\w*|label\w*|tag\w*|group\w*|trait\w*|meta\w*|extra\w*)($|_)"
)


def test_the_columns_are_these_and_no_others() -> None:
    found = {table.name: [column.name for column in table.columns] for table in schema.metadata.sorted_tables}
    assert found == COLUMNS


@pytest.mark.parametrize("table", COLUMNS)
def test_no_column_is_named_for_a_trait(table: str) -> None:
    assert [name for name in COLUMNS[table] if TRAITS.search(name)] == []


def test_the_search_for_traits_finds_some() -> None:
    for name in ("age", "apparent_age", "sex", "ethnicity", "group_label", "emotion", "attributes"):
        assert TRAITS.search(name)


def test_a_person_is_an_id_a_ref_and_perhaps_a_name() -> None:
    assert [field.name for field in fields(PersonRecord)] == ["id", "ref", "name", "created_at", "erased_at"]


def test_what_is_kept_of_a_photo_is_these_measurements() -> None:
    assert _MEASUREMENTS == ("inter_ocular_px", "sharpness", "brightness", "yaw_ratio", "confidence")
