"""Whose key started a stream: its searches are theirs, and end when the key does."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("live_streams", sa.Column("key_id", sa.String(20)))
    # the log calls whoever came with a key HOLDER/KEY
    op.execute(
        "UPDATE live_streams SET key_id = "
        "(SELECT id FROM access_keys WHERE holder || '/' || id = live_streams.actor)"
    )
