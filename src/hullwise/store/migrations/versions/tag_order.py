"""Tags in the order of lists, in which case does not matter"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("hw_image_tags", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "folded",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                server_default="",
                nullable=False,
                comment="the tag in lower case: lists are in this order",
            )
        )
    # Letters beyond ASCII are in no tag, and engines differ in these alone.
    op.execute("UPDATE hw_image_tags SET folded = lower(tag)")
    with op.batch_alter_table("hw_image_tags", schema=None) as batch_op:
        batch_op.create_index(
            "ix_hw_image_tags_repository_id_folded_tag", ["repository_id", "folded", "tag"], unique=False
        )
