"""The house."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("email", name=op.f("uq_accounts_email")),
    )
    op.create_table(
        "inbox",
        sa.Column("bot_id", sa.BigInteger(), nullable=False),
        sa.Column("update_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="done", nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=True),
        sa.Column("topic_id", sa.BigInteger(), nullable=True),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("bot_id", "update_id", name=op.f("pk_inbox")),
    )
    op.create_index(
        "ix_inbox_command",
        "inbox",
        ["bot_id", "update_id"],
        unique=False,
        postgresql_where=sa.text("state = 'command'"),
    )
    op.create_index(op.f("ix_inbox_received_at"), "inbox", ["received_at"], unique=False)
    op.create_index(
        "ix_inbox_waiting",
        "inbox",
        ["chat_id", "topic_id", "update_id"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.SmallInteger(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "link_tries",
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.create_index("ix_link_tries_chat_id_at", "link_tries", ["chat_id", "at"], unique=False)
    op.create_table(
        "revoked_holds",
        sa.Column("hold", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("hold", name=op.f("pk_revoked_holds")),
    )
    op.create_index(op.f("ix_revoked_holds_at"), "revoked_holds", ["at"], unique=False)
    op.create_table(
        "projects",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("identity_secret", sa.Text(), nullable=False),
        sa.Column("allowed_origins", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("operator_name", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_projects_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("key", name=op.f("uq_projects_key")),
    )
    op.create_index(op.f("ix_projects_account_id"), "projects", ["account_id"], unique=False)
    op.create_table(
        "conversations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rev", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("read_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=True),
        sa.Column("topic_id", sa.BigInteger(), nullable=True),
        sa.Column("topic_name", sa.Text(), nullable=True),
        sa.Column("topic_closed", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("topic_opened", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("page_url", sa.Text(), nullable=True),
        sa.Column("page_title", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "last_message_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_conversations_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint("chat_id", "topic_id", name=op.f("uq_conversations_chat_id_topic_id")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(op.f("ix_conversations_project_id"), "conversations", ["project_id"], unique=False)
    op.create_table(
        "groups",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("bot_id", sa.BigInteger(), nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("project_id", sa.Text(), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sending", sa.BigInteger(), nullable=True),
        sa.Column("calls", postgresql.ARRAY(sa.DateTime(timezone=True)), server_default="{}", nullable=False),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("trouble_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_groups_project_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.UniqueConstraint("bot_id", "chat_id", name=op.f("uq_groups_bot_id_chat_id")),
        sa.UniqueConstraint("project_id", name=op.f("uq_groups_project_id")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index(
        "uq_groups_linked_chat",
        "groups",
        ["chat_id"],
        unique=True,
        postgresql_where=sa.text("project_id IS NOT NULL"),
    )
    op.create_table(
        "link_codes",
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_link_codes_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_link_codes")),
    )
    op.create_table(
        "messages",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("born", sa.Integer(), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("entities", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("reply_to", sa.Integer(), nullable=True),
        sa.Column("chat_id", sa.BigInteger(), nullable=True),
        sa.Column("telegram_message_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_messages_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("conversation_id", "seq", name=op.f("pk_messages")),
        sa.UniqueConstraint(
            "conversation_id", "client_id", name=op.f("uq_messages_conversation_id_client_id")
        ),
    )
    op.create_index(
        "ix_messages_chat_id_telegram_message_id",
        "messages",
        ["chat_id", "telegram_message_id"],
        unique=False,
        postgresql_where=sa.text("telegram_message_id IS NOT NULL"),
    )
    op.create_index("ix_messages_conversation_id_rev", "messages", ["conversation_id", "rev"], unique=False)
    op.create_index(
        "uq_messages_operator",
        "messages",
        ["chat_id", "telegram_message_id"],
        unique=True,
        postgresql_where=sa.text("origin = 'operator'"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=True),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("state", sa.Text(), server_default="accepted", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("rank", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_outbox_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_conversation_id", "outbox", ["conversation_id", "rank", "id"], unique=False)
    op.create_index(
        "ix_outbox_group_id",
        "outbox",
        ["group_id", "rank", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.create_table(
        "topic_aliases",
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("topic_id", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_topic_aliases_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("chat_id", "topic_id", name=op.f("pk_topic_aliases")),
    )
    op.create_index("ix_topic_aliases_conversation_id", "topic_aliases", ["conversation_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_topic_aliases_conversation_id", table_name="topic_aliases")
    op.drop_table("topic_aliases")
    op.drop_index("ix_outbox_group_id", table_name="outbox", postgresql_where=sa.text("state = 'accepted'"))
    op.drop_index("ix_outbox_conversation_id", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(
        "uq_messages_operator", table_name="messages", postgresql_where=sa.text("origin = 'operator'")
    )
    op.drop_index("ix_messages_conversation_id_rev", table_name="messages")
    op.drop_index(
        "ix_messages_chat_id_telegram_message_id",
        table_name="messages",
        postgresql_where=sa.text("telegram_message_id IS NOT NULL"),
    )
    op.drop_table("messages")
    op.drop_table("link_codes")
    op.drop_index(
        "uq_groups_linked_chat", table_name="groups", postgresql_where=sa.text("project_id IS NOT NULL")
    )
    op.drop_table("groups")
    op.drop_index(op.f("ix_conversations_project_id"), table_name="conversations")
    op.drop_table("conversations")
    op.drop_index(op.f("ix_projects_account_id"), table_name="projects")
    op.drop_table("projects")
    op.drop_index(op.f("ix_revoked_holds_at"), table_name="revoked_holds")
    op.drop_table("revoked_holds")
    op.drop_index("ix_link_tries_chat_id_at", table_name="link_tries")
    op.drop_table("link_tries")
    op.drop_table("leases")
    op.drop_table("installation")
    op.drop_index("ix_inbox_waiting", table_name="inbox", postgresql_where=sa.text("state = 'waiting'"))
    op.drop_index(op.f("ix_inbox_received_at"), table_name="inbox")
    op.drop_index("ix_inbox_command", table_name="inbox", postgresql_where=sa.text("state = 'command'"))
    op.drop_table("inbox")
    op.drop_table("accounts")
