"""Dead letters with their reason; updates that wait behind one whose effect failed; topics of nobody."""

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
    op.drop_index("ix_inbox_waiting", "inbox")
    op.create_index(
        "ix_inbox_kept", "inbox", ["chat_id", "topic_id", "update_id"],
        postgresql_where=sa.text("state IN ('waiting', 'failed')"),
    )  # fmt: skip
    op.create_table(
        "unowned_topics",
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("topic_id", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("chat_id", "topic_id", name="pk_unowned_topics"),
    )


# What its visitor had tried again stayed a dead letter beside the new entry.
_TRIED_AGAIN = """
    DELETE FROM outbox o USING messages m
    WHERE o.state = 'failed' AND m.conversation_id = o.conversation_id AND m.seq = o.seq
      AND m.state <> 'failed'
"""


def downgrade() -> None:
    """Take back."""
    op.drop_table("unowned_topics")
    op.drop_index("ix_inbox_kept", "inbox")
    op.create_index(
        "ix_inbox_waiting", "inbox", ["chat_id", "topic_id", "update_id"],
        postgresql_where=sa.text("state = 'waiting'"),
    )  # fmt: skip
    op.drop_index("ix_outbox_failed", "outbox")
    op.drop_column("outbox", "failed_at")
    op.drop_column("outbox", "reason")
