"""Topics that heal: which topic was asked for and not seen yet, which name is an operator's."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "conversations",
        sa.Column("topic_renamed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("groups", sa.Column("asked_for", sa.Text(), nullable=True))
    op.add_column("groups", sa.Column("asked_name", sa.Text(), nullable=True))
    op.add_column("groups", sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("groups", "asked_at")
    op.drop_column("groups", "asked_name")
    op.drop_column("groups", "asked_for")
    op.drop_column("conversations", "topic_renamed")
