"""Places: on which server each key of a subscription is, chosen inside a unit of work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from veilbot_core.domain.errors import NoCapacity
from veilbot_core.domain.ids import ServerId
from veilbot_core.domain.key import ABSENT, Key, KeyState, lasting
from veilbot_core.domain.server import Server, ServerStatus, keeps, rank
from veilbot_core.domain.subscription import Subscription
from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.ports.storage import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The servers as one look saw them; a second one in the same unit of work may see others (READ COMMITTED)."""

    uow: UnitOfWork
    servers: Mapping[ServerId, Server]
    leaving: ServerId | None = None
    """The one that is to be left."""
    paid: bool = False
    """Whether the keys were paid for anew, so that one which the terms exclude is not good enough."""

    @classmethod
    def look(cls, uow: UnitOfWork, *, leaving: ServerId | None = None, paid: bool = False) -> "Places":
        """Look at the servers; what was read before, such as keys, is on one of them."""
        return cls(uow=uow, servers={s.id: s for s in uow.servers.all()}, leaving=leaving, paid=paid)

    @property
    def protocols(self) -> Sequence[Protocol]:
        """Whose keys this is about."""
        return tuple(Protocol) if self.leaving is None else (self.servers[self.leaving].protocol,)

    def find(
        self, subscription: Subscription, protocol: Protocol, keys: Sequence[Key], state: KeyState, now: datetime
    ) -> Key:
        """Return the key of a protocol with a place: one of those that are known, or a new one that is not saved yet.

        One that does not work yet is to replace what the customer was given before and is to lose.

        Raises:
            NoCapacity: nothing suitable is free.
        """
        lasts = lasting(keys)
        mine = [key for key in keys if key.protocol is protocol]
        mine.sort(key=lambda k: (not k.desired.present, k not in lasts, not k.placed))
        key = (
            next((k for k in mine if k.placed and self._stays(subscription, k, lasts=k in lasts)), None)
            or self._taken(subscription, protocol, mine, now)
            or self._kept(subscription, mine, state, now)
        )
        if key is None:
            raise NoCapacity
        return _instead(key, keys, subscription.terms)

    def _stays(self, subscription: Subscription, key: Key, *, lasts: bool) -> bool:
        """Say whether a key may be where it has its place: one that is wanted may while its server drains."""
        server = self.servers[key.server_id]
        if server.id == self.leaving or not _keeps(server, subscription):
            return False
        return server.status is ServerStatus.ACTIVE or (lasts and server.status is ServerStatus.DRAINING)

    def _taken(self, subscription: Subscription, protocol: Protocol, mine: Sequence[Key], now: datetime) -> Key | None:
        """Take a place on the best server: where it was before, if there is room, else a new one.

        Never a second one where a key has one, and none on the server that is left.
        """
        not_there = {self.leaving, *(key.server_id for key in mine if key.placed)}
        fitting = [s for s in self.servers.values() if s.protocol is protocol and s.id not in not_there]
        best = {s.id: s for s in rank(s for s in fitting if _keeps(s, subscription))}
        for key in mine:
            if key.server_id in best and self.uow.servers.take_place(best.pop(key.server_id).id):
                return key.place(held=True)
        for server in best.values():
            if self.uow.servers.take_place(server.id):
                return _made(subscription, server, now)
        return None

    def _kept(self, subscription: Subscription, mine: Sequence[Key], state: KeyState, now: datetime) -> Key | None:
        """Return one that has a place on a server that takes no more.

        Where nobody paid for another one, any is good enough that is as it is wanted, so that no call is made in vain.
        """
        if self.leaving is not None:
            return None
        for key in mine:
            good = _keeps(self.servers[key.server_id], subscription)
            if key.placed and (good or (not self.paid and key.want(state, now).settled)):
                return key
        return None


def _keeps(server: Server, subscription: Subscription) -> bool:
    return keeps(server, subscription.terms, country=subscription.country, vip=subscription.vip)


def _instead(key: Key, keys: Sequence[Key], terms: Terms) -> Key:
    """Return a key as the one that takes over from another that goes: one of its protocol, or of one not in the terms.

    The customer has that until this one works; what works already is returned as it is.
    """
    if key.works:
        return key
    going = [k for k in keys if k.desired.present and key.id not in {k.id, k.replaces}]
    alike = [k for k in going if k.protocol is key.protocol]
    waiting = [k.order_id for k in alike if k.order_id is not None]
    if waiting and not key.desired.present:
        key = key.await_for(waiting[0])
    used = [k for k in going if k.access_url is not None and (k in alike or k.protocol not in terms.protocols)]
    used.sort(key=lambda k: (not k.works, k not in alike, k.replaces is not None))
    return key.take_over(used[0].id if used else None)


def _made(subscription: Subscription, server: Server, now: datetime) -> Key:
    return Key(
        id=Key.identify(subscription.id, server.id),
        subscription_id=subscription.id,
        user_id=subscription.user_id,
        server_id=server.id,
        protocol=server.protocol,
        name=server.name,
        desired=ABSENT,
        placed=True,
        created_at=now,
        changed_at=now,
    )
