"""Nothing twice: calls that nobody answered, and who is served next."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

_NUMBERS = postgresql.ARRAY(sa.BigInteger())


def upgrade() -> None:
    """Apply."""
    op.alter_column(
        "groups", "sending", type_=_NUMBERS,
        postgresql_using="CASE WHEN sending IS NOT NULL THEN ARRAY[sending] END",
    )  # fmt: skip
    op.add_column("groups", sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("groups", sa.Column("sent_after", sa.BigInteger(), nullable=True))
    op.add_column("groups", sa.Column("known_id", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column(
        "groups",
        sa.Column("doubts", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
    )
    op.add_column("groups", sa.Column("doubt_due", sa.DateTime(timezone=True), nullable=True))
    op.add_column("groups", sa.Column("ours", _NUMBERS, server_default="{}", nullable=False))
    op.add_column("groups", sa.Column("turns", sa.Integer(), server_default="0", nullable=False))
    op.add_column("conversations", sa.Column("served_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("inbox", sa.Column("message_id", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_inbox_seen", "inbox", ["chat_id", "message_id"],
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )  # fmt: skip
    op.add_column("outbox", sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("outbox", sa.Column("alone", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("outbox", sa.Column("repeated", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    """Take back."""
    for column in ("repeated", "alone", "priority"):
        op.drop_column("outbox", column)
    op.drop_index("ix_inbox_seen", "inbox")
    op.drop_column("inbox", "message_id")
    op.drop_column("conversations", "served_at")
    for column in ("turns", "ours", "doubt_due", "doubts", "known_id", "sent_after", "sent_at"):
        op.drop_column("groups", column)
    op.alter_column("groups", "sending", type_=sa.BigInteger(), postgresql_using="sending[1]")
