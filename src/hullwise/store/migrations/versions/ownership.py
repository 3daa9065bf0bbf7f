"""Packages are found by their own name, and by who installed them"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("hw_packages", schema=None) as batch_op:
        batch_op.create_index("ix_hw_packages_namespace_name", ["namespace", "name"], unique=False)
        batch_op.create_index("ix_hw_packages_scope", ["scope"], unique=False)
