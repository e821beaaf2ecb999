"""Between values of the core and rows: two plain functions per table."""

from typing import Any

from veilbot_adapters.database.statements import Row
from veilbot_core.domain.apikey import ApiKey
from veilbot_core.domain.events import Event
from veilbot_core.domain.jobs import Job
from veilbot_core.domain.key import Key, KeyState
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Payment
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Grant, Subscription
from veilbot_core.domain.tariff import Protocol, Tariff, Terms
from veilbot_core.domain.user import User

Values = dict[str, Any]


def _fields(thing: object) -> Values:
    """Return the fields of a flat value, which are its columns."""
    return {name: getattr(thing, name) for name in thing.__slots__}  # type: ignore[attr-defined]


def from_terms(terms: Terms) -> Values:
    """Write the terms as a document."""
    return _fields(terms)


def to_terms(data: Values) -> Terms:
    """Read the terms from a document."""
    return Terms(
        name=data["name"],
        days=data["days"],
        traffic_limit=data["traffic_limit"],
        device_limit=data["device_limit"],
        protocols=tuple(map(Protocol, data["protocols"])),
        groups=tuple(data["groups"]),
    )


def from_user(user: User) -> Values:
    """Write a user."""
    return _fields(user)


def to_user(row: Row) -> User:
    """Read a user."""
    return User(
        id=row.id,
        telegram_id=row.telegram_id,
        name=row.name,
        language=row.language,
        vip=row.vip,
        blocked_at=row.blocked_at,
        unreachable_at=row.unreachable_at,
        created_at=row.created_at,
    )


def from_tariff(tariff: Tariff) -> Values:
    """Write a tariff."""
    return _fields(tariff) | {"terms": from_terms(tariff.terms), "prices": dict(tariff.prices)}


def to_tariff(row: Row) -> Tariff:
    """Read a tariff."""
    return Tariff(
        id=row.id,
        terms=to_terms(row.terms),
        prices=row.prices,
        trial=row.trial,
        archived_at=row.archived_at,
        created_at=row.created_at,
    )


def from_server(server: Server) -> Values:
    """Write a server."""
    return _fields(server)


def to_server(row: Row) -> Server:
    """Read a server."""
    return Server(
        id=row.id,
        name=row.name,
        protocol=row.protocol,
        country=row.country,
        endpoint=row.endpoint,
        capacity=row.capacity,
        reserved=row.reserved,
        weight=row.weight,
        access=row.access,
        group=row.group,
        status=row.status,
        down_since=row.down_since,
        created_at=row.created_at,
    )


def from_order(order: Order) -> Values:
    """Write an order."""
    money = {"amount": order.price.amount, "currency": order.price.currency}
    return _fields(order) | {"terms": from_terms(order.terms)} | money


def to_order(row: Row) -> Order:
    """Read an order."""
    return Order(
        id=row.id,
        user_id=row.user_id,
        tariff_id=row.tariff_id,
        terms=to_terms(row.terms),
        price=Money(amount=row.amount, currency=row.currency),
        provider=row.provider,
        country=row.country,
        subscription_id=row.subscription_id,
        status=row.status,
        checkout_id=row.checkout_id,
        checkout_url=row.checkout_url,
        note=row.note,
        held_for=row.held_for,
        created_at=row.created_at,
        expires_at=row.expires_at,
        paid_at=row.paid_at,
        closed_at=row.closed_at,
    )


def from_payment(payment: Payment) -> Values:
    """Write a payment."""
    return _fields(payment) | {"amount": payment.money.amount, "currency": payment.money.currency}


def to_payment(row: Row) -> Payment:
    """Read a payment."""
    return Payment(
        id=row.id,
        provider=row.provider,
        kind=row.kind,
        external_id=row.external_id,
        charge_id=row.charge_id,
        money=Money(amount=row.amount, currency=row.currency),
        status=row.status,
        order_id=row.order_id,
        user_id=row.user_id,
        note=row.note,
        at=row.at,
    )


def from_subscription(subscription: Subscription) -> Values:
    """Write a subscription."""
    return _fields(subscription) | {"terms": from_terms(subscription.terms)}


def to_subscription(row: Row) -> Subscription:
    """Read a subscription."""
    return Subscription(
        id=row.id,
        user_id=row.user_id,
        tariff_id=row.tariff_id,
        terms=to_terms(row.terms),
        country=row.country,
        token=row.token,
        token_digest=row.token_digest,
        ends_at=row.ends_at,
        vip=row.vip,
        frozen_at=row.frozen_at,
        cut_off=row.cut_off,
        check_at=row.check_at,
        created_at=row.created_at,
    )


def from_grant(grant: Grant) -> Values:
    """Write a grant."""
    return _fields(grant)


def to_grant(row: Row) -> Grant:
    """Read a grant."""
    return Grant(
        id=row.id,
        subscription_id=row.subscription_id,
        source=row.source,
        source_id=row.source_id,
        days=row.days,
        at=row.at,
        taken_back=row.taken_back,
    )


def from_key(key: Key) -> Values:
    """Write a key; whether it is settled is a column, so that an index can find those that are not."""
    return _fields(key) | {
        "desired_present": key.desired.present,
        "desired_limit": key.desired.limit,
        "observed_present": key.observed.present,
        "observed_limit": key.observed.limit,
        "settled": key.settled,
    }


def to_key(row: Row) -> Key:
    """Read a key."""
    return Key(
        id=row.id,
        subscription_id=row.subscription_id,
        user_id=row.user_id,
        server_id=row.server_id,
        protocol=row.protocol,
        name=row.name,
        desired=KeyState(present=row.desired_present, limit=row.desired_limit),
        observed=KeyState(present=row.observed_present, limit=row.observed_limit),
        placed=row.placed,
        access_url=row.access_url,
        order_id=row.order_id,
        replaces=row.replaces,
        used=row.used,
        counter=row.counter,
        note=row.note,
        created_at=row.created_at,
        changed_at=row.changed_at,
    )


def from_event(event: Event) -> Values:
    """Write a fact that nobody was told yet."""
    return _fields(event) | {"data": dict(event.data), "sent_at": None}


def to_event(row: Row) -> Event:
    """Read a fact."""
    return Event(id=row.id, type=row.type, subject=row.subject, user_id=row.user_id, at=row.at, data=row.data)


def from_job(job: Job) -> Values:
    """Write a job."""
    return _fields(job)


def to_job(row: Row) -> Job:
    """Read a job."""
    return Job(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        detail=row.detail,
        due=row.due,
        revision=row.revision,
        attempts=row.attempts,
        leased_until=row.leased_until,
        fence=row.fence,
        state=row.state,
        error=row.error,
        created_at=row.created_at,
    )


def from_api_key(key: ApiKey) -> Values:
    """Write an API key."""
    return _fields(key) | {"scopes": sorted(key.scopes)}


def to_api_key(row: Row) -> ApiKey:
    """Read an API key."""
    return ApiKey(
        id=row.id,
        name=row.name,
        digest=row.digest,
        hint=row.hint,
        scopes=frozenset(row.scopes),
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        created_at=row.created_at,
    )
