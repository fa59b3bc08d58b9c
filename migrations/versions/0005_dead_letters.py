"""Dead letters with their reason, for as long as nobody has tried them again."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply."""
    op.add_column("outbox", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column("outbox", sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(_TRIED_AGAIN)
    op.execute("UPDATE outbox SET reason = 'rejected', failed_at = created_at WHERE state = 'failed'")
    op.create_index("ix_outbox_failed", "outbox", ["id"], postgresql_where=sa.text("state = 'failed'"))


# What its visitor had tried again stayed a dead letter beside the new entry.
_TRIED_AGAIN = """
    DELETE FROM outbox o USING messages m
    WHERE o.state = 'failed' AND m.conversation_id = o.conversation_id AND m.seq = o.seq
      AND m.state <> 'failed'
"""


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_outbox_failed", "outbox")
    op.drop_column("outbox", "failed_at")
    op.drop_column("outbox", "reason")
