"""What live video needs: places, which consents name them, and events that end by themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assent.store.migrations import triggers_0005

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TIME = sa.String(27)
_ID = sa.String(36)


def upgrade() -> None:
    _create_places()
    _create_events()
    _create_streams()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in (
        triggers_0005.sqlite_statements() if is_sqlite else triggers_0005.postgresql_statements()
    ):
        op.get_bind().exec_driver_sql(statement)


def _create_places() -> None:
    op.create_table(
        "places",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("collection_id", _ID),
        sa.Column("responsible", sa.String(200), nullable=False),
        sa.Column("notice", sa.Text),
        sa.Column("keep_hours", sa.Float, nullable=False),
        sa.Column("last_event", sa.BigInteger, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("removed_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_places"),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], name="fk_places_collection_id"),
    )
    op.create_index("ix_places_name", "places", ["name"])
    op.create_index("ix_places_collection_id", "places", ["collection_id"])
    op.create_table(
        "place_cameras",
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("sealed_source", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("place_id", "name", name="pk_place_cameras"),
        sa.ForeignKeyConstraint(["place_id"], ["places.id"], name="fk_place_cameras_place_id"),
    )
    op.create_table(
        "consent_places",
        sa.Column("consent_id", _ID, nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("consent_id", "place_id", name="pk_consent_places"),
        sa.ForeignKeyConstraint(["consent_id"], ["consents.id"], name="fk_consent_places_consent_id"),
        sa.ForeignKeyConstraint(["place_id"], ["places.id"], name="fk_consent_places_place_id"),
    )
    op.create_index("ix_consent_places_place_id", "consent_places", ["place_id"])


def _create_events() -> None:
    op.create_table(
        "live_events",
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("consent_id", _ID, nullable=False),
        sa.Column("camera", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("similarity", sa.Float, nullable=False),
        sa.Column("fmr_at_score", sa.Float, nullable=False),
        sa.Column("expected_false_candidates", sa.Float, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("is_owed", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("place_id", "seq", name="pk_live_events"),
        sa.ForeignKeyConstraint(["place_id"], ["places.id"], name="fk_live_events_place_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_live_events_person_id"),
        sa.ForeignKeyConstraint(["consent_id"], ["consents.id"], name="fk_live_events_consent_id"),
    )
    for column in ("person_id", "consent_id", "expires_at"):
        op.create_index(f"ix_live_events_{column}", "live_events", [column])


def _create_streams() -> None:
    op.create_table(
        "live_streams",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("camera", sa.String(64), nullable=False),
        sa.Column("threshold", sa.Float),
        sa.Column("actor", sa.String(128)),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("is_wanted", sa.Boolean, nullable=False),
        sa.Column("session_id", _ID),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("worker", sa.String(128)),
        sa.Column("address", sa.String(255)),
        sa.Column("lease_until", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_live_streams"),
        sa.UniqueConstraint("name", name="uq_live_streams_name"),
        sa.ForeignKeyConstraint(["place_id"], ["places.id"], name="fk_live_streams_place_id"),
    )
    op.create_index("ix_live_streams_place_id", "live_streams", ["place_id"])
