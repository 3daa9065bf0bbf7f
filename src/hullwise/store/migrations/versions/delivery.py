"""Delivery of events"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("hw_receivers", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "region",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                server_default="",
                nullable=False,
                comment="that its requests are signed for; empty for a webhook",
            )
        )
        batch_op.add_column(
            sa.Column(
                "leased_until",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                server_default="0",
                nullable=False,
                comment="whoever delivers to it has it until then",
            )
        )

    with op.batch_alter_table("hw_deliveries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_hw_deliveries_receiver_id"))
        batch_op.create_index("ix_hw_deliveries_receiver_id_due_at", ["receiver_id", "due_at"], unique=False)

    if op.get_bind().dialect.name == "postgresql":
        # SQLite keeps no comments.
        said = "when it was removed; its deliveries and its secret went with it"
        op.execute(f"COMMENT ON COLUMN hw_receivers.removed_at IS '{said}'")
