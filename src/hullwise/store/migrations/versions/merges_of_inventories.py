"""Merges by what came out of them"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("hw_merges", schema=None) as batch_op:
        batch_op.create_index("ix_hw_merges_inventory_id", ["inventory_id"], unique=False)
