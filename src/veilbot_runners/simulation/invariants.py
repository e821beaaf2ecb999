"""What must be true of every shop once the trouble is over: of keys, servers, work and people."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from veilbot_adapters.memory import MemorySecrets
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import KeyId
from veilbot_core.domain.jobs import Job, JobKind, JobState
from veilbot_core.domain.key import Key
from veilbot_core.domain.order import OrderStatus
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Subscription
from veilbot_runners.simulation import money
from veilbot_runners.simulation.evidence import Evidence
from veilbot_runners.simulation.history import CANARIES, Breach
from veilbot_runners.simulation.shelf import misplaced

PER_MINUTE = 20
"""Calls about one thing in one minute, all processes together; a backed-off job makes about eight."""

_SECRETS = MemorySecrets()
_MANY = {"publish": 60, "told": 60, "list": 40}
"""The same for calls that are about many things at once; half as many were seen in runs of 50 orders."""


def a_live_subscription_has_its_keys(evidence: Evidence) -> Iterator[str]:
    """Each protocol that was paid for has one key, no other has any, and the server has that key with its limit."""
    for subscription in evidence.subscriptions.values():
        if not evidence.wants_keys(subscription) or _waits(evidence, subscription):
            continue
        wanted = [key for key in _keys(evidence, subscription) if key.desired.present]
        unpaid = [key for key in wanted if key.protocol not in subscription.terms.protocols]
        yield from (f"{key.protocol} key {key.id} of {subscription.id}, which has none of these" for key in unpaid)
        for protocol in subscription.terms.protocols:
            mine = [key for key in wanted if key.protocol is protocol]
            if len(mine) != 1:
                yield f"subscription {subscription.id} has {len(mine)} {protocol} keys"
            elif trouble := _unusable(evidence, mine[0]):
                yield f"key {mine[0].id} of {subscription.id}: {trouble}"


def keys_are_where_the_terms_say(evidence: Evidence) -> Iterator[str]:
    """A wanted key is on a server that its subscription's terms include, or goes when its replacement works.

    Where that waits for a free place, the customer keeps what there is.
    """
    servers: dict[object, Server] = {server.id: server for server in evidence.servers}
    for subscription in evidence.subscriptions.values():
        if _waits(evidence, subscription):
            continue
        for key in misplaced(subscription, _keys(evidence, subscription), servers):
            yield f"key {key.id} of {subscription.id} is on {servers[key.server_id].name}"


def an_ended_subscription_has_no_keys(evidence: Evidence) -> Iterator[str]:
    """After the grace, or while it is frozen, nothing of it is wanted."""
    slack = timedelta(hours=4)  # the schedule fires every three in quiet weeks
    for subscription in evidence.subscriptions.values():
        over = subscription.ends_at + evidence.world.policy.grace + slack < evidence.now and not subscription.vip
        keys = _keys(evidence, subscription) if over or subscription.frozen_at is not None else []
        there = [key for key in keys if key.desired.present or key.observed.present]
        yield from (f"key {key.id} of {subscription.id}, which has ended" for key in there)


def servers_have_what_is_wanted(evidence: Evidence) -> Iterator[str]:
    """No key is on a server that nobody wants there, and no subscription has two of one protocol."""
    seen: Counter[tuple[object, object]] = Counter()
    for server in evidence.servers:
        remote = evidence.remote(server)
        mine = [key for key in evidence.keys.values() if key.server_id == server.id]
        foreign = evidence.world.truth.foreign.get(server.id, set())
        for name in sorted(remote - {str(key.id) for key in mine if key.desired.present} - foreign):
            yield f"an orphan on {server.name}: {name}"
        for name in sorted(foreign - remote):
            yield f"a key that is not ours was removed from {server.name}: {name}"
        seen.update((key.subscription_id, key.protocol) for key in mine if str(key.id) in remote)
    yield from (f"{count} live {name[1]} keys of {name[0]}" for name, count in seen.items() if count > 1)


def places_counted_are_keys_placed(evidence: Evidence) -> Iterator[str]:
    """A place is taken for each key that is wanted or not known to be gone, and never more than there are."""
    placed = Counter(key.server_id for key in evidence.keys.values() if key.placed)
    for server in evidence.servers:
        if server.reserved != placed[server.id] or server.reserved > server.capacity:
            counts = f"{server.reserved} counted, {placed[server.id]} placed, {server.capacity} there are"
            yield f"{server.name}: {counts}"
    yield from (f"key {k.id} is wanted without a place" for k in evidence.keys.values() if k.desired.present > k.placed)


def everything_settles(evidence: Evidence) -> Iterator[str]:
    """No work is left but what waits for a free place, of which operators were told."""
    for job in evidence.jobs:
        if job.state is JobState.DEAD:
            yield f"{job.kind} {job.subject} is dead: {job.error}"
        elif not _waits_for_room(evidence, job) and not _passes_over(job):
            yield f"{job.kind} {job.subject} is not done, due {job.due:%d %H:%M}: {job.error}"
    if evidence.waiting or evidence.world.underway:
        yield f"{evidence.waiting} facts and {evidence.world.underway} webhooks are still on their way"
    for key in evidence.keys.values():
        if not key.settled:
            yield f"key {key.id} is not settled: {key.note}"


def facts_reach_the_bus(evidence: Evidence) -> Iterator[str]:
    """Each order's first and last fact was handed over at least once."""
    published = {(event.type.value, event.subject) for event in evidence.world.bus.published}
    for order in evidence.orders.values():
        names = {"order.created"} if order.status is OrderStatus.PENDING else {"order.created", f"order.{order.status}"}
        yield from (f"{name} of {order.id} was never published" for name in names if (name, order.id) not in published)


def customers_are_told(evidence: Evidence) -> Iterator[str]:
    """Of each fulfilled order its customer heard, or could not be reached."""
    history = evidence.world.history
    for order in evidence.orders.values():
        heard = history.told[order.id] or order.id in history.gone
        if order.status is OrderStatus.FULFILLED and not heard:
            yield f"nobody told the customer of order {order.id}"


def moved_customers_are_told(evidence: Evidence) -> Iterator[str]:
    """Whoever was given another key in the place of one that went heard of it, or could not be reached."""
    history = evidence.world.history
    for event in evidence.world.bus.published:
        heard = history.told[event.subject] or event.subject in history.gone
        if event.type is EventType.KEY_MOVED and evidence.keys[KeyId(event.subject)].desired.present and not heard:
            yield f"nobody told the customer of key {event.subject}"


def attempts_are_bounded(evidence: Evidence) -> Iterator[str]:
    """Nothing is called about again and again without rest."""
    for (port, subject, minute), count in evidence.world.history.calls.items():
        if count > _MANY.get(port, PER_MINUTE):
            yield f"{port} {subject}: {count} times in minute {minute}"


def no_secret_is_kept_open(evidence: Evidence) -> Iterator[str]:
    """Notes and errors in the database hold no secret; lines of the trace are checked as they are written."""
    texts = [job.error for job in evidence.jobs] + [key.note for key in evidence.keys.values()]
    texts += [order.note for order in evidence.orders.values()] + [payment.note for payment in evidence.payments]
    texts += [str(alert.about) for alert in evidence.world.notifier.alerts]
    yield from (text for text in texts if any(canary in text for canary in CANARIES))


INVARIANTS = (
    everything_settles,
    *money.INVARIANTS,
    a_live_subscription_has_its_keys,
    keys_are_where_the_terms_say,
    an_ended_subscription_has_no_keys,
    servers_have_what_is_wanted,
    places_counted_are_keys_placed,
    facts_reach_the_bus,
    customers_are_told,
    moved_customers_are_told,
    attempts_are_bounded,
    no_secret_is_kept_open,
)
"""Beside these, seen while it runs: states_only_move_forward, traffic_only_grows, no_secret_is_told,
no_step_fails_by_itself, workers_survive, nobody_is_left_without_a_key, nothing_runs_beside_itself,
money_on_its_way_keeps_its_order_open, nothing_is_sold_without_room."""


def judge(evidence: Evidence) -> list[Breach]:
    """Return what does not hold, with what was seen while it ran."""
    found = [Breach(rule.__name__, detail) for rule in INVARIANTS for detail in rule(evidence)]
    return [*evidence.world.history.breaches, *found]


def _waits_for_room(evidence: Evidence, job: Job) -> bool:
    return job.error.startswith("no_capacity") and not evidence.world.truth.roomy


def _passes_over(job: Job) -> bool:
    """Say whether it is the regular look at a server, which may just have been asked for."""
    return job.kind is JobKind.RECONCILE_SERVER and not job.error


def _keys(evidence: Evidence, subscription: Subscription) -> list[Key]:
    return [key for key in evidence.keys.values() if key.subscription_id == subscription.id]


def _waits(evidence: Evidence, subscription: Subscription) -> bool:
    """Say whether an order of it, or its own thawed keys, wait for a free place, of which operators were told."""
    orders = [order for order in evidence.orders.values() if order.subscription_id == subscription.id]
    thawed = evidence.alerted("order.waiting", subscription.id) and not evidence.world.truth.roomy
    return thawed or any(money.waits_for_room(evidence, order) for order in orders)


def _unusable(evidence: Evidence, key: Key) -> str:
    server = next(server for server in evidence.servers if server.id == key.server_id)
    remote = evidence.world.vpn_of(server).servers[server.id].keys.get(str(key.id))
    if not key.settled:
        return "it is not settled"
    if remote is None:
        return f"it is not on {server.name}"
    if remote.limit != key.desired.limit:
        return f"its limit is {remote.limit}"
    shown = _SECRETS.open(key.access_url, key.id) if key.access_url is not None else ""
    return "" if shown == evidence.world.vpn_of(server).url(server.id, key.id) else "its customer has another address"
