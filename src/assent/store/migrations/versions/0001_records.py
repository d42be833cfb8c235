"""The first records: people, notices, consents, collections, keys, templates, receipts, log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assent.store.migrations import triggers_0001

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.String(27)
_ID = sa.String(36)


def upgrade() -> None:
    _create_people_and_consents()
    _create_galleries()
    _create_proof()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in (
        triggers_0001.sqlite_statements() if is_sqlite else triggers_0001.postgresql_statements()
    ):
        op.get_bind().exec_driver_sql(statement)


def _create_people_and_consents() -> None:
    op.create_table(
        "store",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("store_id", _ID, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("assent_version", sa.String(64), nullable=False),
        sa.Column("master_key_id", sa.String(32), nullable=False),
        sa.Column("key_check", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_store"),
        sa.CheckConstraint("id = 1", name="ck_store_one_row"),
    )
    op.create_table(
        "people",
        sa.Column("id", _ID, nullable=False),
        sa.Column("ref", sa.String(128), nullable=False),
        sa.Column("name", sa.String(200)),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("erased_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
        sa.UniqueConstraint("ref", name="uq_people_ref"),
    )
    op.create_table(
        "notices",
        sa.Column("id", _ID, nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint("version", "language", name="uq_notices_version_language"),
    )
    op.create_table(
        "consents",
        sa.Column("id", _ID, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("controller", sa.String(200), nullable=False),
        sa.Column("purpose", sa.String(64), nullable=False),
        sa.Column("notice_id", _ID, nullable=False),
        sa.Column("method", sa.String(32), nullable=False),
        sa.Column("evidence_sha256", sa.String(64), nullable=False),
        sa.Column("legal_basis", sa.String(200), nullable=False),
        sa.Column("given_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("last_interaction_at", _TIME, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.Column("withdrawn_at", _TIME),
        sa.Column("withdrawal_channel", sa.String(64)),
        sa.Column("withdrawal_reason", sa.String(1000)),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_consents_person_id"),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name="fk_consents_notice_id"),
    )
    op.create_index("ix_consents_person_id", "consents", ["person_id"])


def _create_galleries() -> None:
    op.create_table(
        "collections",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("purpose", sa.String(64), nullable=False),
        sa.Column("fpir_target", sa.Float, nullable=False),
        sa.Column("preset", sa.String(32), nullable=False),
        sa.Column("model_digest", sa.String(128), nullable=False),
        sa.Column("dim", sa.Integer, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
        sa.Column("wrapped_mac_key", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_collections"),
        sa.UniqueConstraint("name", name="uq_collections_name"),
    )
    op.create_table(
        "person_keys",
        sa.Column("collection_id", _ID, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("collection_id", "person_id", name="pk_person_keys"),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], name="fk_person_keys_collection_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_person_keys_person_id"),
    )
    op.create_table(
        "templates",
        sa.Column("id", _ID, nullable=False),
        sa.Column("collection_id", _ID, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("consent_id", _ID, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("image_mac", sa.LargeBinary, nullable=False),
        sa.Column("quality", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_templates"),
        sa.ForeignKeyConstraint(
            ["collection_id", "person_id"],
            ["person_keys.collection_id", "person_keys.person_id"],
            name="fk_templates_collection_id_person_id",
        ),
        sa.ForeignKeyConstraint(["consent_id"], ["consents.id"], name="fk_templates_consent_id"),
        sa.UniqueConstraint("collection_id", "image_mac", name="uq_templates_collection_id_image_mac"),
    )
    op.create_index("ix_templates_consent_id", "templates", ["consent_id"])
    op.create_index("ix_templates_collection_id_person_id", "templates", ["collection_id", "person_id"])
    op.create_table(
        "user_vectors",
        sa.Column("collection_id", _ID, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("num_templates", sa.Integer, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("collection_id", "person_id", name="pk_user_vectors"),
        sa.ForeignKeyConstraint(
            ["collection_id", "person_id"],
            ["person_keys.collection_id", "person_keys.person_id"],
            name="fk_user_vectors_collection_id_person_id",
        ),
    )


def _create_proof() -> None:
    op.create_table(
        "receipts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("consent_id", _ID, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_receipts"),
        sa.ForeignKeyConstraint(["consent_id"], ["consents.id"], name="fk_receipts_consent_id"),
        sa.UniqueConstraint("consent_id", name="uq_receipts_consent_id"),
    )
    op.create_table(
        "log_entries",
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("entry", sa.Text, nullable=False),
        sa.Column("leaf_sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_log_entries"),
    )
