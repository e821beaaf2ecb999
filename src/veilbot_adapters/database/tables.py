"""The tables: one per noun, with an index for every way in.

Ids are UUIDv7 where a noun has pages, so that the order of ids is the order of time. Enums that are closed have a
CHECK; providers, protocols, kinds of jobs and facts grow with the product and have none, so that a new one needs no
migration. Payments, facts and jobs have no foreign keys: money is recorded whatever it names.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from veilbot_adapters.database.columns import NAMING, Document, Moment, Word, one_of, some
from veilbot_core.domain.events import EventType
from veilbot_core.domain.jobs import JobKind, JobState
from veilbot_core.domain.order import Hold, OrderStatus
from veilbot_core.domain.payment import PaymentKind, PaymentStatus, Provider
from veilbot_core.domain.server import AccessLevel, ServerStatus
from veilbot_core.domain.subscription import GrantSource
from veilbot_core.domain.tariff import Protocol
from veilbot_core.domain.turn import Turn
from veilbot_core.domain.user import Language

REVISION = "0003"
"""The migration that makes these tables."""

metadata = MetaData(naming_convention=NAMING)


def _id(name: str = "id") -> Column[object]:
    return Column(name, Uuid, primary_key=True)


users = Table(
    "users",
    metadata,
    _id(),
    Column("telegram_id", BigInteger),
    Column("name", Text, nullable=False),
    Column("language", Word(Language), nullable=False),
    Column("vip", Boolean, nullable=False),
    Column("blocked_at", Moment),
    Column("unreachable_at", Moment),
    Column("created_at", Moment, nullable=False),
    some("uq_users_telegram_id", "telegram_id IS NOT NULL", "telegram_id", unique=True),
)

tariffs = Table(
    "tariffs",
    metadata,
    _id(),
    Column("terms", Document, nullable=False),
    Column("prices", Document, nullable=False),
    Column("trial", Boolean, nullable=False),
    Column("archived_at", Moment),
    Column("created_at", Moment, nullable=False),
)

servers = Table(
    "servers",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("protocol", Word(Protocol), nullable=False),
    Column("country", String(2), nullable=False),
    Column("endpoint", LargeBinary, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),
    Column("weight", Integer, nullable=False),
    Column("access", Word(AccessLevel), nullable=False),
    Column("group", Text, nullable=False),
    Column("status", Word(ServerStatus), nullable=False),
    Column("down_since", Moment),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("capacity >= 0 AND reserved >= 0 AND weight > 0", name="places"),
    one_of("status", ServerStatus),
    one_of("access", AccessLevel),
)

orders = Table(
    "orders",
    metadata,
    _id(),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("tariff_id", ForeignKey("tariffs.id"), nullable=False),
    Column("terms", Document, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("provider", Word(Provider), nullable=False),
    Column("country", String(2)),
    Column("subscription_id", Uuid),
    Column("status", Word(OrderStatus), nullable=False),
    Column("checkout_id", Text),
    Column("checkout_url", Text),
    Column("note", Text, nullable=False),
    Column("held_for", Word(Hold)),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("paid_at", Moment),
    Column("closed_at", Moment),
    CheckConstraint("amount >= 0", name="amount"),
    one_of("status", OrderStatus),
    Index(None, "user_id", "id"),
    Index(None, "user_id", "status", "id"),
    Index(None, "status", "id"),
    some("ix_orders_stuck", "status = 'paid'", "status", "paid_at", "id"),
)

payments = Table(
    "payments",
    metadata,
    _id(),
    Column("provider", Word(Provider), nullable=False),
    Column("kind", Word(PaymentKind), nullable=False),
    Column("external_id", Text, nullable=False),
    Column("charge_id", Text),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", Word(PaymentStatus), nullable=False),
    Column("order_id", Uuid),
    Column("user_id", Uuid),
    Column("note", Text, nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("provider", "kind", "external_id"),
    one_of("kind", PaymentKind),
    one_of("status", PaymentStatus),
    Index(None, "order_id", "id"),
    some("ix_payments_astray", "order_id IS NULL", "provider", "charge_id", "id"),
    Index(None, "user_id", "id"),
    Index(None, "user_id", "status", "id"),
    Index(None, "status", "id"),
)

inbox = Table(
    "inbox",
    metadata,
    Column("provider", Word(Provider), primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("at", Moment, nullable=False),
)

asked = Table(
    "asked",
    metadata,
    Column("provider", Word(Provider), primary_key=True),
    Column("until", Moment, nullable=False),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    _id(),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("tariff_id", ForeignKey("tariffs.id"), nullable=False),
    Column("terms", Document, nullable=False),
    Column("country", String(2)),
    Column("token", LargeBinary, nullable=False),
    Column("token_digest", String(64), nullable=False, unique=True),
    Column("ends_at", Moment, nullable=False),
    Column("vip", Boolean, nullable=False),
    Column("frozen_at", Moment),
    Column("cut_off", Boolean, nullable=False),
    Column("check_at", Moment),
    Column("created_at", Moment, nullable=False),
    Index(None, "user_id", "id"),
    some("ix_subscriptions_due", "check_at IS NOT NULL", "check_at", "id"),
)

grants = Table(
    "grants",
    metadata,
    _id(),
    Column("subscription_id", ForeignKey("subscriptions.id"), nullable=False),
    Column("source", Word(GrantSource), nullable=False),
    Column("source_id", Text, nullable=False),
    Column("days", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("taken_back", Integer, nullable=False),
    UniqueConstraint("source", "source_id"),
    CheckConstraint("days > 0 AND taken_back >= 0 AND taken_back <= days", name="days"),
    Index(None, "subscription_id", "at", "id"),
)

keys = Table(
    "keys",
    metadata,
    _id(),
    Column("subscription_id", ForeignKey("subscriptions.id"), nullable=False),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("server_id", ForeignKey("servers.id"), nullable=False),
    Column("protocol", Word(Protocol), nullable=False),
    Column("name", Text, nullable=False),
    Column("desired_present", Boolean, nullable=False),
    Column("desired_limit", BigInteger),
    Column("observed_present", Boolean, nullable=False),
    Column("observed_limit", BigInteger),
    Column("placed", Boolean, nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("access_url", LargeBinary),
    Column("order_id", Uuid),
    Column("replaces", Uuid),
    Column("used", BigInteger, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    CheckConstraint("used >= 0 AND counter >= 0", name="usage"),
    Index(None, "subscription_id", "created_at", "id"),
    Index(None, "user_id", "id"),
    Index(None, "server_id", "id"),
    some("ix_keys_unsettled", "NOT settled", "changed_at", "id"),
)

events = Table(
    "events",
    metadata,
    _id(),
    Column("type", Word(EventType), nullable=False),
    Column("subject", Uuid, nullable=False),
    Column("user_id", Uuid),
    Column("at", Moment, nullable=False),
    Column("data", Document, nullable=False),
    Column("sent_at", Moment),
    some("ix_events_waiting", "sent_at IS NULL", "id"),
)

jobs = Table(
    "jobs",
    metadata,
    _id(),
    Column("kind", Word(JobKind), nullable=False),
    Column("subject", Uuid, nullable=False),
    Column("detail", Text, nullable=False),
    Column("due", Moment, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("leased_until", Moment),
    Column("fence", Integer, nullable=False),
    Column("state", Word(JobState), nullable=False),
    Column("error", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("revision >= 1 AND attempts >= 0 AND fence >= 0", name="counters"),
    one_of("state", JobState),
    some("ix_jobs_ready", "state = 'ready'", "due", "id"),
    some("ix_jobs_dead", "state = 'dead'", "id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    Column("scopes", Document, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("created_at", Moment, nullable=False),
)

replies = Table(
    "replies",
    metadata,
    _id("key"),
    Column("fingerprint", Text, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("status", SmallInteger),
    Column("body", LargeBinary),
    Column("made", Uuid),
    Index(None, "opened_at"),
)

turns = Table(
    "turns",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("lane", BigInteger, nullable=False),
    Column("holder", Uuid, nullable=False),
    Column("until", Moment, nullable=False),
    Column("state", Word(Turn), nullable=False),
    one_of("state", Turn),
    Index(None, "until"),
    some("ix_turns_lane", "state != 'over'", "lane", "number"),
)
