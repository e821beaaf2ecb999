"""Steps inside a unit of work that more than one service takes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from veilbot_core.domain.errors import NoCapacity
from veilbot_core.domain.events import Event, EventType
from veilbot_core.domain.ids import EventId, OrderId, ServerId
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.key import ABSENT, Key, KeyState, lasting
from veilbot_core.domain.order import Hold, Order, OrderStatus
from veilbot_core.domain.subscription import GrantSource, Subscription, fold
from veilbot_core.places import Places
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.notifier import Access
from veilbot_core.ports.secrets import Secrets
from veilbot_core.ports.storage import UnitOfWork


def about(
    ids: Ids, kind: EventType, thing: Order | Subscription | Key, at: datetime, **data: str | int | None
) -> Event:
    """Make the fact that ``kind`` happened to a customer's thing."""
    return Event(id=EventId(ids.new()), type=kind, subject=thing.id, user_id=thing.user_id, at=at, data=data)


def made_before(uow: UnitOfWork, request: UUID | None, thing: UUID) -> UUID | None:
    """Return what a request has made already; otherwise remember, in this transaction, that it makes ``thing``.

    A request that nobody sends again has no id.
    """
    return None if request is None else uow.replies.made(request, thing)


def keys_of(uow: UnitOfWork, subscriptions: Iterable[Subscription]) -> Sequence[Key]:
    """Return the keys of subscriptions for a change; those are locked already, so that no key is added meanwhile."""
    found = uow.keys.of_subscriptions([subscription.id for subscription in subscriptions])
    return uow.keys.lock_all([key.id for key in found]) if found else found


def opened(secrets: Secrets, keys: Iterable[Key], countries: Mapping[ServerId, str]) -> tuple[Access, ...]:
    """Return keys as their customer gets them; one that no server answered for yet is left out."""
    return tuple(
        Access(
            name=key.name,
            country=countries.get(key.server_id, ""),
            url=secrets.open(key.access_url, key.id),
            spent=key.spent,
        )
        for key in keys
        if key.access_url is not None
    )


def want(uow: UnitOfWork, keys: Sequence[Key], state: KeyState, now: datetime) -> list[Key]:
    """Set the wanted state of keys and see that there is work that makes it true.

    Work that died for a key of which nothing new is wanted stays dead: a person was told.
    """
    changed = [key.want(state, now) for key in keys]
    if not changed:
        return []
    uow.keys.save(*changed)
    known = {key.id: key.desired for key in keys}
    new = [key for key in changed if key.desired != known[key.id]]
    uow.jobs.ask(*(Job.ask(JobKind.APPLY_KEY, key.id, now) for key in new if not key.settled))
    for key in changed:
        if key.desired == known[key.id] and not key.settled:
            uow.jobs.ensure(Job.ask(JobKind.APPLY_KEY, key.id, now))
    return changed


def refold(uow: UnitOfWork, subscription: Subscription, now: datetime, grace: timedelta) -> Subscription:
    """Recompute a subscription's end from its grants and save it; take its keys away if it is worth nothing now."""
    end = fold(uow.subscriptions.grants(subscription.id)) or now
    folded = subscription.until(end, now, grace)
    uow.subscriptions.save(folded)
    if not folded.wants_keys(now, grace):
        want(uow, [k for k in keys_of(uow, [folded]) if k.desired.present], ABSENT, now)
    return folded


def under_what_is_left(uow: UnitOfWork, subscription: Subscription) -> Subscription:
    """Return it under the terms of the last order of which days are left; what an upgrade gave goes with its money.

    No key of a protocol that went with it takes over any more from one that is paid for.
    """
    grants = [g for g in uow.subscriptions.grants(subscription.id) if g.source is GrantSource.ORDER and g.left]
    if not grants:
        return subscription
    order = uow.orders.get(OrderId(UUID(max(grants, key=lambda g: (g.at, g.id)).source_id)))
    left = subscription.renew(order.tariff_id, order.terms)
    gone = [k for k in keys_of(uow, [left]) if k.replaces is not None and k.protocol not in left.terms.protocols]
    if gone:
        uow.keys.save(*(key.take_over(None) for key in gone))
    return left


def reserve(
    uow: UnitOfWork,
    subscription: Subscription,
    now: datetime,
    *,
    order_id: OrderId | None = None,
    known: Sequence[Key] | None = None,
    places: Places | None = None,
) -> Sequence[Key]:
    """See that the subscription has one wanted key per protocol, each with a place on a server that is called.

    What it has beside these goes, a key of a protocol that is not in its terms, too.
    A key on a server that is disabled, is left or does not serve the terms any more gets a replacement; the customer
    keeps it until that works.

    Args:
        uow: the unit of work.
        subscription: whose keys.
        now: the time.
        order_id: the order that waits for them.
        known: its keys, locked, where the caller has them already.
        places: where the caller looked at the servers already; if one is to be left, keys of other protocols stay
            as they are.

    Returns: the wanted keys; the ones that are not settled have been asked for.

    Raises:
        NoCapacity: nothing suitable is free; the unit of work must roll back.
    """
    state = KeyState(present=True, limit=None if subscription.vip else subscription.terms.traffic_limit)
    keys = keys_of(uow, [subscription]) if known is None else known
    places = places or Places.look(uow, paid=order_id is not None)
    protocols = [protocol for protocol in subscription.terms.protocols if protocol in places.protocols]
    placed = [places.find(subscription, protocol, keys, state, now) for protocol in protocols]
    chosen = {key.id for key in placed}
    placed = [key.take_over(None) if key.replaces in chosen else key for key in placed]
    if order_id is not None:
        placed = [key.await_for(order_id) for key in placed]
    stay = chosen | {key.replaces for key in placed}
    if not placed and not any(key.works and key.protocol in subscription.terms.protocols for key in keys):
        raise NoCapacity  # what is left here is all that the customer has, until what is paid for has a place
    want(
        uow, [k for k in keys if k.desired.present and k.protocol in places.protocols and k.id not in stay], ABSENT, now
    )
    new = chosen - {key.id for key in keys}
    made = [key.want(state, now) for key in placed if key.id in new]
    for key in made:
        uow.keys.add(key)
    uow.jobs.ask(*(Job.ask(JobKind.APPLY_KEY, key.id, now) for key in made))
    return [*made, *want(uow, [key for key in placed if key.id not in new], state, now)]


def hold(uow: UnitOfWork, ids: Ids, order: Order, why: Hold, note: str, now: datetime) -> Order:
    """Stop an order until a person decides, and save it; the customer and the operators are told."""
    held = order.hold(why, note)
    uow.orders.save(held)
    uow.publish(about(ids, EventType.ORDER_HELD, held, now, reason=note))
    return held


def complete(uow: UnitOfWork, ids: Ids, order: Order, keys: Sequence[Key], now: datetime) -> Order:
    """Call a paid order fulfilled if every key that it pays for works, and save it; without a key it is not."""
    wanted = lasting(keys)
    if order.status is OrderStatus.PAID and wanted and all(key.settled for key in wanted):
        order = order.fulfil(now)
        uow.publish(about(ids, EventType.ORDER_FULFILLED, order, now))
        uow.jobs.withdraw(Job.identify(JobKind.TELL_PAID, order.id))  # the key came first
    uow.orders.save(order)
    return order
