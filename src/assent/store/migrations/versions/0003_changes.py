"""Who changed in a collection and when, so that a gallery in memory follows; and the keys of saved galleries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.String(36)


def upgrade() -> None:
    op.create_table(
        "gallery_changes",
        sa.Column("collection_id", _ID, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("collection_id", "person_id", name="pk_gallery_changes"),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_gallery_changes_collection_id"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_gallery_changes_person_id"),
    )
    op.create_table(
        "gallery_snapshots",
        sa.Column("id", _ID, nullable=False),
        sa.Column("collection_id", _ID, nullable=False),
        sa.Column("part", sa.String(8), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("num_rows", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gallery_snapshots"),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_gallery_snapshots_collection_id"
        ),
        sa.UniqueConstraint(
            "collection_id", "part", "kind", name="uq_gallery_snapshots_collection_id_part_kind"
        ),
    )
    op.create_index("ix_gallery_changes_collection_id_epoch", "gallery_changes", ["collection_id", "epoch"])
