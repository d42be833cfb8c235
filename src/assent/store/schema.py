"""The tables. Nothing about what a person is has a column here (promise 4), on purpose.

The migrations in ``assent.store.migrations`` make them, with the triggers that hold the promises in the
database itself; a test compares the two on SQLite and on PostgreSQL.

Identifiers are random UUIDs as text. Times are text, ``2026-01-31T12:00:00.000000Z``: readable, sortable,
and the same on both databases.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

TIME_CHARS = 27


def format_time(at: datetime) -> str:
    """An aware time as the text that is stored, e.g. ``2026-01-31T12:00:00.000000Z``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """The aware UTC time of a stored text."""
    return datetime.fromisoformat(text)


class UtcTime(TypeDecorator[datetime]):
    """An aware time, stored as text in UTC to the microsecond."""

    impl = sa.String(TIME_CHARS)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:  # noqa: ARG002
        """To text."""
        return None if value is None else format_time(value)

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """From text."""
        return None if value is None else parse_time(value)


metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _id(name: str = "id", *args: Any, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.String(36), *args, **{"nullable": False, **options})


def _hash(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(64), nullable=False)


store = sa.Table(
    "store",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1", name="one_row"), primary_key=True),
    _id("store_id"),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("assent_version", sa.String(64), nullable=False),
    sa.Column("master_key_id", sa.String(32), nullable=False),
    sa.Column("key_check", sa.LargeBinary, nullable=False),
)

people = sa.Table(
    "people",
    metadata,
    _id(primary_key=True),
    sa.Column("ref", sa.String(128), nullable=False, unique=True),
    sa.Column("name", sa.String(200)),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("erased_at", UtcTime),
)

notices = sa.Table(
    "notices",
    metadata,
    _id(primary_key=True),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("language", sa.String(35), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    _hash("sha256"),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.UniqueConstraint("version", "language"),
)

consents = sa.Table(
    "consents",
    metadata,
    _id(primary_key=True),
    _id("person_id", sa.ForeignKey("people.id"), index=True),
    sa.Column("controller", sa.String(200), nullable=False),
    sa.Column("purpose", sa.String(64), nullable=False),
    _id("notice_id", sa.ForeignKey("notices.id")),
    sa.Column("method", sa.String(32), nullable=False),
    _hash("evidence_sha256"),
    sa.Column("legal_basis", sa.String(200), nullable=False),
    sa.Column("given_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Column("last_interaction_at", UtcTime, nullable=False),
    sa.Column("recorded_at", UtcTime, nullable=False),
    sa.Column("withdrawn_at", UtcTime),
    sa.Column("withdrawal_channel", sa.String(64)),
    sa.Column("withdrawal_reason", sa.String(1000)),
)

collections = sa.Table(
    "collections",
    metadata,
    _id(primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("purpose", sa.String(64), nullable=False),
    sa.Column("fpir_target", sa.Float, nullable=False),
    sa.Column("preset", sa.String(32), nullable=False),
    sa.Column("model_digest", sa.String(128), nullable=False),
    sa.Column("dim", sa.Integer, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
    sa.Column("wrapped_mac_key", sa.LargeBinary, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("review", sa.String(16), nullable=False, server_default="none"),
    sa.Column("beyond_evidence", sa.String(16), nullable=False, server_default="refuse"),
)

collection_notes = sa.Table(
    "collection_notes",
    metadata,
    _id("collection_id", sa.ForeignKey("collections.id"), primary_key=True),
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("value", sa.String(256), nullable=False),
)

person_keys = sa.Table(
    "person_keys",
    metadata,
    _id("collection_id", sa.ForeignKey("collections.id"), primary_key=True),
    _id("person_id", sa.ForeignKey("people.id"), primary_key=True),
    sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
)

templates = sa.Table(
    "templates",
    metadata,
    _id(primary_key=True),
    _id("collection_id"),
    _id("person_id"),
    _id("consent_id", sa.ForeignKey("consents.id"), index=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("image_mac", sa.LargeBinary, nullable=False),
    sa.Column("quality", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("box", sa.Text),
    sa.Column("sealed_thumbnail", sa.LargeBinary),
    sa.Column("is_associated", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.ForeignKeyConstraint(
        ["collection_id", "person_id"], ["person_keys.collection_id", "person_keys.person_id"]
    ),
    sa.UniqueConstraint("collection_id", "image_mac"),
    sa.Index(None, "collection_id", "person_id"),
)

user_vectors = sa.Table(
    "user_vectors",
    metadata,
    _id("collection_id", primary_key=True),
    _id("person_id", primary_key=True),
    sa.Column("num_templates", sa.Integer, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.ForeignKeyConstraint(
        ["collection_id", "person_id"], ["person_keys.collection_id", "person_keys.person_id"]
    ),
)

gallery_changes = sa.Table(
    "gallery_changes",
    metadata,
    _id("collection_id", sa.ForeignKey("collections.id"), primary_key=True),
    _id("person_id", sa.ForeignKey("people.id"), primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Index(None, "collection_id", "epoch"),
)

gallery_snapshots = sa.Table(
    "gallery_snapshots",
    metadata,
    _id(primary_key=True),
    _id("collection_id", sa.ForeignKey("collections.id")),
    sa.Column("part", sa.String(8), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("num_rows", sa.BigInteger, nullable=False),
    _hash("sha256"),
    sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.UniqueConstraint("collection_id", "part", "kind"),
)

users = sa.Table(
    "users",
    metadata,
    _id("collection_id", sa.ForeignKey("collections.id"), primary_key=True),
    _id("person_id", sa.ForeignKey("people.id"), primary_key=True),
    sa.Column("created_at", UtcTime, nullable=False),
)

reviews = sa.Table(
    "reviews",
    metadata,
    _id(primary_key=True),
    _id("collection_id", sa.ForeignKey("collections.id"), index=True),
    sa.Column("asked_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("wrapped_key", sa.LargeBinary),
)

review_pairs = sa.Table(
    "review_pairs",
    metadata,
    _id(primary_key=True),
    _id("review_id", sa.ForeignKey("reviews.id"), index=True),
    _id("person_id", sa.ForeignKey("people.id"), index=True),
    _id("consent_id", sa.ForeignKey("consents.id")),
    sa.Column("similarity", sa.Float, nullable=False),
    sa.Column("fmr_at_score", sa.Float, nullable=False),
    sa.Column("expected_false_candidates", sa.Float, nullable=False),
    sa.Column("outcome", sa.String(16)),
    sa.Column("sealed_probe", sa.LargeBinary),
)

review_judgements = sa.Table(
    "review_judgements",
    metadata,
    _id("pair_id", sa.ForeignKey("review_pairs.id"), primary_key=True),
    sa.Column("holder", sa.String(64), primary_key=True),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("judged_at", UtcTime, nullable=False),
)

access_keys = sa.Table(
    "access_keys",
    metadata,
    sa.Column("id", sa.String(20), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False),
    sa.Column("roles", sa.String(64), nullable=False),
    sa.Column("sealed_secret", sa.LargeBinary),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("revoked_at", UtcTime),
)

request_tokens = sa.Table(
    "request_tokens",
    metadata,
    sa.Column("operation", sa.String(64), primary_key=True),
    sa.Column("token", sa.String(64), primary_key=True),
    sa.Column("request_sha256", sa.String(64), nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
)

places = sa.Table(
    "places",
    metadata,
    _id(primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, index=True),
    _id("collection_id", sa.ForeignKey("collections.id"), nullable=True, index=True),
    sa.Column("responsible", sa.String(200), nullable=False),
    sa.Column("notice", sa.Text),
    sa.Column("keep_hours", sa.Float, nullable=False),
    sa.Column("last_event", sa.BigInteger, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("removed_at", UtcTime),
)

place_cameras = sa.Table(
    "place_cameras",
    metadata,
    _id("place_id", sa.ForeignKey("places.id"), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("sealed_source", sa.LargeBinary, nullable=False),
)

consent_places = sa.Table(
    "consent_places",
    metadata,
    _id("consent_id", sa.ForeignKey("consents.id"), primary_key=True),
    _id("place_id", sa.ForeignKey("places.id"), primary_key=True, index=True),
)

live_events = sa.Table(
    "live_events",
    metadata,
    _id("place_id", sa.ForeignKey("places.id"), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    _id("person_id", sa.ForeignKey("people.id"), index=True),
    _id("consent_id", sa.ForeignKey("consents.id"), index=True),
    sa.Column("camera", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("similarity", sa.Float, nullable=False),
    sa.Column("fmr_at_score", sa.Float, nullable=False),
    sa.Column("expected_false_candidates", sa.Float, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False, index=True),
    sa.Column("is_owed", sa.Boolean, nullable=False),
)

live_streams = sa.Table(
    "live_streams",
    metadata,
    _id(primary_key=True),
    sa.Column("name", sa.String(128), nullable=False, unique=True),
    _id("place_id", sa.ForeignKey("places.id"), index=True),
    sa.Column("camera", sa.String(64), nullable=False),
    sa.Column("threshold", sa.Float),
    sa.Column("actor", sa.String(128)),
    sa.Column("facts", sa.Text, nullable=False),
    sa.Column("is_wanted", sa.Boolean, nullable=False),
    sa.Column("session_id", sa.String(36)),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("worker", sa.String(128)),
    sa.Column("address", sa.String(255)),
    sa.Column("lease_until", UtcTime),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("changed_at", UtcTime, nullable=False),
    sa.Column("key_id", sa.String(20)),
)

jobs = sa.Table(
    "jobs",
    metadata,
    _id(primary_key=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("actor", sa.String(128)),
    sa.Column("key_id", sa.String(20)),
    _id("collection_id", sa.ForeignKey("collections.id"), nullable=True, index=True),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("progress", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("worker", sa.String(128)),
    sa.Column("lease_until", UtcTime),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("started_at", UtcTime),
    sa.Column("ended_at", UtcTime),
    sa.Column("error", sa.String(64)),
    sa.Column("has_upload", sa.Boolean, nullable=False),
    sa.Column("token", sa.String(64)),
    sa.Column("request_sha256", sa.String(64)),
    sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
    sa.Column("sealed_parameters", sa.LargeBinary, nullable=False),
    sa.Column("sealed_result", sa.LargeBinary),
    sa.Column("notice_due_at", UtcTime),
    sa.Column("notice_attempts", sa.Integer, nullable=False),
    sa.UniqueConstraint("kind", "token"),
)

job_matches = sa.Table(
    "job_matches",
    metadata,
    _id(primary_key=True),
    _id("job_id", sa.ForeignKey("jobs.id"), index=True),
    _id("person_id", sa.ForeignKey("people.id"), index=True),
    _id("consent_id", sa.ForeignKey("consents.id"), index=True),
    sa.Column("is_pictured", sa.Boolean, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)

job_outputs = sa.Table(
    "job_outputs",
    metadata,
    _id("job_id", sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("sealed_key", sa.LargeBinary, nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
)

receipts = sa.Table(
    "receipts",
    metadata,
    _id(primary_key=True),
    _id("consent_id", sa.ForeignKey("consents.id"), unique=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
)

log_entries = sa.Table(
    "log_entries",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("entry", sa.Text, nullable=False),
    _hash("leaf_sha256"),
)
