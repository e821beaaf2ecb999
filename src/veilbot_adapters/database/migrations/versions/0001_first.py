"""Everything that version 0.1 keeps.

Written out, not taken from the tables of today: a migration does not change when they do.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_WORD = sa.String(32)
_DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Make all tables, the ones that others refer to first."""
    for make in (_people, _tariffs, _servers, _orders, _payments, _subscriptions, _grants, _keys, _work, _jobs):
        make()


def downgrade() -> None:
    """Drop them in the opposite order."""
    people, goods, sales = ("users", "api_keys"), ("tariffs", "servers"), ("orders", "payments", "inbox", "asked")
    access, work = ("subscriptions", "grants", "keys"), ("events", "jobs", "replies", "turns")
    for name in reversed((*people, *goods, *sales, *access, *work)):
        op.drop_table(name)


def _partial(name: str, table: str, columns: list[str], on: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(on), postgresql_where=sa.text(on))


def _refers(table: str, column: str, to: str) -> sa.Column[object]:
    key = sa.ForeignKey(f"{to}.id", name=f"fk_{table}_{column}")
    return sa.Column(column, sa.Uuid(), key, nullable=False)


def _people() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("telegram_id", sa.BigInteger()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", _WORD, nullable=False),
        sa.Column("vip", sa.Boolean(), nullable=False),
        sa.Column("blocked_at", _MOMENT),
        sa.Column("unreachable_at", _MOMENT),
        sa.Column("created_at", _MOMENT, nullable=False),
    )
    _partial("uq_users_telegram_id", "users", ["telegram_id"], "telegram_id IS NOT NULL", unique=True)
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("scopes", _DOCUMENT, nullable=False),
        sa.Column("expires_at", _MOMENT),
        sa.Column("revoked_at", _MOMENT),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )


def _tariffs() -> None:
    op.create_table(
        "tariffs",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("terms", _DOCUMENT, nullable=False),
        sa.Column("prices", _DOCUMENT, nullable=False),
        sa.Column("trial", sa.Boolean(), nullable=False),
        sa.Column("archived_at", _MOMENT),
        sa.Column("created_at", _MOMENT, nullable=False),
    )


def _servers() -> None:
    op.create_table(
        "servers",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("protocol", _WORD, nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("endpoint", sa.LargeBinary(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("access", _WORD, nullable=False),
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("status", _WORD, nullable=False),
        sa.Column("down_since", _MOMENT),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.CheckConstraint("access IN ('all', 'paid', 'vip')", name=op.f("ck_servers_access")),
        sa.CheckConstraint("capacity >= 0 AND reserved >= 0 AND weight > 0", name=op.f("ck_servers_places")),
        sa.CheckConstraint("status IN ('active', 'draining', 'disabled')", name=op.f("ck_servers_status")),
        sa.UniqueConstraint("name", name="uq_servers_name"),
    )


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _refers("orders", "user_id", "users"),
        _refers("orders", "tariff_id", "tariffs"),
        sa.Column("terms", _DOCUMENT, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("provider", _WORD, nullable=False),
        sa.Column("country", sa.String(2)),
        sa.Column("subscription_id", sa.Uuid()),
        sa.Column("status", _WORD, nullable=False),
        sa.Column("checkout_id", sa.Text()),
        sa.Column("checkout_url", sa.Text()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("paid_at", _MOMENT),
        sa.Column("closed_at", _MOMENT),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_orders_amount")),
        sa.CheckConstraint(
            "status IN ('pending', 'paid', 'fulfilled', 'canceled', 'held', 'refunded')", name=op.f("ck_orders_status")
        ),
    )
    op.create_index("ix_orders_status_id", "orders", ["status", "id"])
    _partial("ix_orders_stuck", "orders", ["status", "paid_at", "id"], "status = 'paid'")
    op.create_index("ix_orders_user_id_id", "orders", ["user_id", "id"])
    op.create_index("ix_orders_user_id_status_id", "orders", ["user_id", "status", "id"])


def _payments() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("provider", _WORD, nullable=False),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("charge_id", sa.Text()),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("status", _WORD, nullable=False),
        sa.Column("order_id", sa.Uuid()),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "kind IN ('charge', 'refund', 'dispute', 'reversal', 'refund_failed')", name=op.f("ck_payments_kind")
        ),
        sa.CheckConstraint("status IN ('accepted', 'held')", name=op.f("ck_payments_status")),
        sa.UniqueConstraint("provider", "kind", "external_id", name="uq_payments_provider_kind_external_id"),
    )
    op.create_index("ix_payments_order_id_id", "payments", ["order_id", "id"])
    op.create_index("ix_payments_status_id", "payments", ["status", "id"])
    op.create_index("ix_payments_user_id_id", "payments", ["user_id", "id"])
    op.create_index("ix_payments_user_id_status_id", "payments", ["user_id", "status", "id"])
    op.create_table(
        "inbox",
        sa.Column("provider", _WORD, primary_key=True),
        sa.Column("event_id", sa.Text(), primary_key=True),
        sa.Column("at", _MOMENT, nullable=False),
    )
    op.create_table(
        "asked",
        sa.Column("provider", _WORD, primary_key=True),
        sa.Column("until", _MOMENT, nullable=False),
    )


def _subscriptions() -> None:
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _refers("subscriptions", "user_id", "users"),
        _refers("subscriptions", "tariff_id", "tariffs"),
        sa.Column("terms", _DOCUMENT, nullable=False),
        sa.Column("country", sa.String(2)),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("token_digest", sa.String(64), nullable=False),
        sa.Column("ends_at", _MOMENT, nullable=False),
        sa.Column("vip", sa.Boolean(), nullable=False),
        sa.Column("frozen_at", _MOMENT),
        sa.Column("cut_off", sa.Boolean(), nullable=False),
        sa.Column("check_at", _MOMENT),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.UniqueConstraint("token_digest", name="uq_subscriptions_token_digest"),
    )
    _partial("ix_subscriptions_due", "subscriptions", ["check_at", "id"], "check_at IS NOT NULL")
    op.create_index("ix_subscriptions_user_id_id", "subscriptions", ["user_id", "id"])


def _grants() -> None:
    op.create_table(
        "grants",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _refers("grants", "subscription_id", "subscriptions"),
        sa.Column("source", _WORD, nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("taken_back", sa.Integer(), nullable=False),
        sa.CheckConstraint("days > 0 AND taken_back >= 0 AND taken_back <= days", name=op.f("ck_grants_days")),
        sa.UniqueConstraint("source", "source_id", name="uq_grants_source_source_id"),
    )
    op.create_index("ix_grants_subscription_id_at_id", "grants", ["subscription_id", "at", "id"])


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _refers("keys", "subscription_id", "subscriptions"),
        _refers("keys", "user_id", "users"),
        _refers("keys", "server_id", "servers"),
        sa.Column("protocol", _WORD, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("desired_present", sa.Boolean(), nullable=False),
        sa.Column("desired_limit", sa.BigInteger()),
        sa.Column("observed_present", sa.Boolean(), nullable=False),
        sa.Column("observed_limit", sa.BigInteger()),
        sa.Column("placed", sa.Boolean(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("access_url", sa.LargeBinary()),
        sa.Column("order_id", sa.Uuid()),
        sa.Column("replaces", sa.Uuid()),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.CheckConstraint("used >= 0 AND counter >= 0", name=op.f("ck_keys_usage")),
    )
    op.create_index("ix_keys_server_id_id", "keys", ["server_id", "id"])
    op.create_index("ix_keys_subscription_id_created_at_id", "keys", ["subscription_id", "created_at", "id"])
    _partial("ix_keys_unsettled", "keys", ["changed_at", "id"], "NOT settled")
    op.create_index("ix_keys_user_id_id", "keys", ["user_id", "id"])


def _work() -> None:
    op.create_table(
        "replies",
        sa.Column("key", sa.Uuid(), primary_key=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("until", _MOMENT, nullable=False),
        sa.Column("status", sa.SmallInteger()),
        sa.Column("body", sa.LargeBinary()),
    )
    op.create_index("ix_replies_opened_at", "replies", ["opened_at"])
    op.create_table(
        "turns",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("lane", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("until", _MOMENT, nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'begun', 'over')", name=op.f("ck_turns_state")),
    )
    op.create_index("ix_turns_until", "turns", ["until"])
    _partial("ix_turns_lane", "turns", ["lane", "number"], "state != 'over'")
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("type", _WORD, nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("data", _DOCUMENT, nullable=False),
        sa.Column("sent_at", _MOMENT),
    )
    _partial("ix_events_waiting", "events", ["id"], "sent_at IS NULL")


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("due", _MOMENT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("leased_until", _MOMENT),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.CheckConstraint("revision >= 1 AND attempts >= 0 AND fence >= 0", name=op.f("ck_jobs_counters")),
        sa.CheckConstraint("state IN ('ready', 'dead')", name=op.f("ck_jobs_state")),
    )
    _partial("ix_jobs_dead", "jobs", ["id"], "state = 'dead'")
    _partial("ix_jobs_ready", "jobs", ["due", "id"], "state = 'ready'")
