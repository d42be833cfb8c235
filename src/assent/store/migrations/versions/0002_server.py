"""What a server needs: access keys, users, review, tags, request tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assent.store.migrations import triggers_0002

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.String(27)
_ID = sa.String(36)


def upgrade() -> None:
    _create_access()
    _extend_galleries()
    _create_reviews()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in (
        triggers_0002.sqlite_statements() if is_sqlite else triggers_0002.postgresql_statements()
    ):
        op.get_bind().exec_driver_sql(statement)


def _create_access() -> None:
    op.create_table(
        "access_keys",
        sa.Column("id", sa.String(20), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("roles", sa.String(64), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_access_keys"),
    )
    op.create_table(
        "request_tokens",
        sa.Column("operation", sa.String(64), nullable=False),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("operation", "token", name="pk_request_tokens"),
    )


def _extend_galleries() -> None:
    op.add_column("collections", sa.Column("review", sa.String(16), nullable=False, server_default="none"))
    op.add_column(
        "collections", sa.Column("beyond_evidence", sa.String(16), nullable=False, server_default="refuse")
    )
    op.add_column("templates", sa.Column("box", sa.Text))
    op.add_column("templates", sa.Column("sealed_thumbnail", sa.LargeBinary))
    op.add_column(
        "templates", sa.Column("is_associated", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_table(
        "users",
        sa.Column("collection_id", _ID, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("collection_id", "person_id", name="pk_users"),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], name="fk_users_collection_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_users_person_id"),
    )
    op.create_table(
        "collection_notes",
        sa.Column("collection_id", _ID, nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("value", sa.String(256), nullable=False),
        sa.PrimaryKeyConstraint("collection_id", "name", name="pk_collection_notes"),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_collection_notes_collection_id"
        ),
    )


def _create_reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", _ID, nullable=False),
        sa.Column("collection_id", _ID, nullable=False),
        sa.Column("asked_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], name="fk_reviews_collection_id"),
    )
    op.create_index("ix_reviews_collection_id", "reviews", ["collection_id"])
    op.create_table(
        "review_pairs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("review_id", _ID, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("consent_id", _ID, nullable=False),
        sa.Column("similarity", sa.Float, nullable=False),
        sa.Column("fmr_at_score", sa.Float, nullable=False),
        sa.Column("expected_false_candidates", sa.Float, nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("sealed_probe", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_review_pairs"),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.id"], name="fk_review_pairs_review_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_review_pairs_person_id"),
        sa.ForeignKeyConstraint(["consent_id"], ["consents.id"], name="fk_review_pairs_consent_id"),
    )
    op.create_index("ix_review_pairs_review_id", "review_pairs", ["review_id"])
    op.create_index("ix_review_pairs_person_id", "review_pairs", ["person_id"])
    op.create_table(
        "review_judgements",
        sa.Column("pair_id", _ID, nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("judged_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("pair_id", "holder", name="pk_review_judgements"),
        sa.ForeignKeyConstraint(["pair_id"], ["review_pairs.id"], name="fk_review_judgements_pair_id"),
    )
