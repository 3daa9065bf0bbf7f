"""Since when a report speaks for no scan"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("hw_reports", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "unused_since",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="since when it is known to speak for no scan; null: it does",
            )
        )
