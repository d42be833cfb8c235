"""Work that takes longer than a request: jobs, whom their results name, keys of their outputs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assent.store.migrations import triggers_0004

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None

_TIME = sa.String(27)
_ID = sa.String(36)


def upgrade() -> None:
    _create_jobs()
    _create_results()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in (
        triggers_0004.sqlite_statements() if is_sqlite else triggers_0004.postgresql_statements()
    ):
        op.get_bind().exec_driver_sql(statement)


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("actor", sa.String(128)),
        sa.Column("key_id", sa.String(20)),
        sa.Column("collection_id", _ID),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(128)),
        sa.Column("lease_until", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("error", sa.String(64)),
        sa.Column("has_upload", sa.Boolean, nullable=False),
        sa.Column("token", sa.String(64)),
        sa.Column("request_sha256", sa.String(64)),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
        sa.Column("sealed_parameters", sa.LargeBinary, nullable=False),
        sa.Column("sealed_result", sa.LargeBinary),
        sa.Column("notice_due_at", _TIME),
        sa.Column("notice_attempts", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], name="fk_jobs_collection_id"),
        sa.UniqueConstraint("kind", "token", name="uq_jobs_kind_token"),
    )
    op.create_index("ix_jobs_collection_id", "jobs", ["collection_id"])
    op.create_index("ix_jobs_state", "jobs", ["state"])


def _create_results() -> None:
    op.create_table(
        "job_matches",
        sa.Column("id", _ID, nullable=False),
        sa.Column("job_id", _ID, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("consent_id", _ID, nullable=False),
        sa.Column("is_pictured", sa.Boolean, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job_matches"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_matches_job_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_job_matches_person_id"),
        sa.ForeignKeyConstraint(["consent_id"], ["consents.id"], name="fk_job_matches_consent_id"),
    )
    for column in ("job_id", "person_id", "consent_id"):
        op.create_index(f"ix_job_matches_{column}", "job_matches", [column])
    op.create_table(
        "job_outputs",
        sa.Column("job_id", _ID, nullable=False),
        sa.Column("sealed_key", sa.LargeBinary, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_job_outputs"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_outputs_job_id"),
    )
