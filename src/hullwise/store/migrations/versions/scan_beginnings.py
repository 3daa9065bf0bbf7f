"""How often a scan was begun"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("hw_scans", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "begun",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                server_default="0",
                nullable=False,
                comment="times that a worker began it, without those that were told to stop",
            )
        )
