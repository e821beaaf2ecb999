"""Planted bugs: how shops sell one thing and serve another."""

from dataclasses import replace

from tests.simulation.bugs import Bug, instead

from veilbot_core.domain.ids import SubscriptionId
from veilbot_core.domain.key import Key
from veilbot_core.domain.order import Order
from veilbot_core.domain.subscription import Subscription
from veilbot_core.domain.tariff import Terms
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.services.checkout import Checkout
from veilbot_core.services.fulfilment import Fulfilment


class ServesTheOldTerms(Fulfilment):
    """Chooses the servers of a renewal by the groups that were bought first."""

    def _deliver(self, uow: UnitOfWork, order: Order, token: str) -> None:
        known = order.subscription_id and uow.subscriptions.find(order.subscription_id)
        if not known:
            Fulfilment._deliver(self, uow, order, token)
            return
        Fulfilment._deliver(self, uow, replace(order, terms=replace(order.terms, groups=known.terms.groups)), token)
        uow.subscriptions.save(uow.subscriptions.lock(known.id).renew(order.tariff_id, order.terms))
        uow.orders.save(replace(uow.orders.lock(order.id), terms=order.terms))


class KeepsOldProtocols(Fulfilment):
    """Looks only at keys of the protocols that were bought last."""

    def _deliver(self, uow: UnitOfWork, order: Order, token: str) -> None:
        before = _wanted(uow, order.subscription_id)
        Fulfilment._deliver(self, uow, order, token)
        after = {key.id for key in _wanted(uow, order.subscription_id)}
        gone = [key for key in before if key.id not in after and key.protocol not in order.terms.protocols]
        uow.keys.lock_all([key.id for key in gone])
        uow.keys.save(*gone)


def _wanted(uow: UnitOfWork, subscription_id: SubscriptionId | None) -> list[Key]:
    keys = uow.keys.of_subscriptions([subscription_id]) if subscription_id else ()
    return [key for key in keys if key.desired.present]


class AnyPlaceIsRoom(Checkout):
    """Counts a key that has a place, wherever that is."""

    def _check_room(
        self, uow: UnitOfWork, terms: Terms, renewed: Subscription | None, country: str | None, *, vip: bool
    ) -> None:
        keys = uow.keys.of_subscriptions([renewed.id]) if renewed else ()
        if not {key.protocol for key in keys if key.placed}.issuperset(terms.protocols):
            Checkout._check_room(self, uow, terms, renewed, country, vip=vip)


BUGS = (
    Bug(
        name="a renewal is served where the first tariff was",
        first=61,
        guard="a key stays where its server serves the terms",
        breaks="keys_are_where_the_terms_say",
        faults="none",
        plant=instead("fulfilment", ServesTheOldTerms),
    ),
    Bug(
        name="a protocol that is not bought again stays",
        first=3,
        guard="every wanted key beside the chosen ones goes",
        breaks="a_live_subscription_has_its_keys",
        faults="none",
        plant=instead("fulfilment", KeepsOldProtocols),
    ),
    Bug(
        name="any place is room for a renewal",
        first=17,
        guard="a key that may stay is room, another is not",
        breaks="nothing_is_sold_without_room",
        faults="none",
        plant=instead("checkout", AnyPlaceIsRoom),
    ),
)
