"""Key: one access credential on one server, wanted state beside observed state."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from veilbot_core.domain.ids import KeyId, OrderId, ServerId, SubscriptionId, UserId, derive
from veilbot_core.domain.secret import Sealed
from veilbot_core.domain.tariff import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """What a server has, or should have, of a key."""

    present: bool
    limit: int | None = None
    """Bytes of traffic, or None for no limit; meaningless while absent."""


ABSENT = KeyState(present=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A credential; its id is its name on the server, so that every attempt means the same one."""

    id: KeyId
    subscription_id: SubscriptionId
    user_id: UserId
    server_id: ServerId
    protocol: Protocol
    name: str
    """What apps show: the server's name."""
    desired: KeyState
    observed: KeyState = ABSENT
    placed: bool = False
    """Whether it holds one of the server's places: from the reservation until it is known to be gone."""
    access_url: Sealed | None = None
    """What the customer's app opens, sealed under the id; None until the server answered."""
    order_id: OrderId | None = None
    """The order that waits for it."""
    replaces: KeyId | None = None
    """The key of the same subscription that its customer has until this one works, and that goes then."""
    used: int = 0
    """Bytes; our own ledger, never falls."""
    counter: int = 0
    """The server's last reading, to tell a restart."""
    note: str = ""
    """Why the server refused, for the operator."""
    created_at: datetime
    changed_at: datetime

    @staticmethod
    def identify(subscription: SubscriptionId, server: ServerId) -> KeyId:
        """Return the id of a subscription's key on a server: one each, the same after every renewal."""
        return KeyId(derive("key", subscription, server))

    @property
    def settled(self) -> bool:
        """Whether the server has what we want, and nothing waits for that."""
        if not self.desired.present:
            return not self.observed.present and not self.placed
        return self.desired == self.observed and self.access_url is not None and self.replaces is None

    @property
    def works(self) -> bool:
        """Whether it is wanted, and its customer can use it as far as we know."""
        return self.desired.present and self.observed.present and self.access_url is not None

    @property
    def spent(self) -> bool:
        """Whether its server has stopped it, as far as the last reading says; only Outline's keep limits themselves."""
        limit = self.observed.limit if self.observed.present else None
        return self.protocol is Protocol.OUTLINE and limit is not None and self.counter >= limit

    def want(self, state: KeyState, at: datetime) -> "Key":
        """Return it with another wanted state; one that is not wanted replaces nothing.

        One that was not wanted, and is again, may have been taken away by a call that nobody recorded: it counts as
        gone until its server was asked for it.
        """
        if state == self.desired:
            return self
        replaces = self.replaces if state.present else None
        observed = self.observed if self.desired.present else ABSENT
        return replace(self, desired=state, observed=observed, replaces=replaces, changed_at=at, note="")

    def place(self, *, held: bool) -> "Key":
        """Return it with or without a place of its server."""
        return replace(self, placed=held)

    def await_for(self, order_id: OrderId) -> "Key":
        """Return it with the order that waits for it."""
        return replace(self, order_id=order_id)

    def take_over(self, key_id: KeyId | None) -> "Key":
        """Return it as the one that takes the place of another when it works, or of none."""
        return replace(self, replaces=key_id)

    def seen(self, state: KeyState, at: datetime, access_url: Sealed | None = None) -> "Key":
        """Record what the server has now."""
        return replace(self, observed=state, access_url=access_url or self.access_url, changed_at=at, note="")

    def doubt(self, at: datetime) -> "Key":
        """Return it as one whose server has the opposite of what we want, so that it is told once more."""
        return replace(self, observed=ABSENT if self.desired.present else KeyState(present=True), changed_at=at)

    def refused(self, note: str, at: datetime) -> "Key":
        """Record that the server refuses, for a person to mend."""
        return replace(self, note=note[:200], changed_at=at)

    def metered(self, reading: int, *, counts_up: bool) -> "Key":
        """Book a server's reading in the ledger.

        ``counts_up``: the server counts from its start, so a fall means that it restarted and all of the reading is
        new. Otherwise (Outline's 30-day window) the reading is an estimate that also falls by itself, and the ledger
        keeps its highest.
        """
        if counts_up:
            grown = reading - self.counter if reading >= self.counter else reading
            return replace(self, used=self.used + grown, counter=reading)
        return replace(self, used=max(self.used, reading), counter=reading)


def serving(keys: Iterable[Key]) -> list[Key]:
    """Return the wanted keys that customers have or wait for; one that is to replace another does not count yet."""
    return [key for key in keys if key.desired.present and key.replaces is None]


def lasting(keys: Sequence[Key]) -> list[Key]:
    """Return the wanted keys that stay; one that is being replaced does not count any more."""
    replaced = {key.replaces for key in keys}
    return [key for key in keys if key.desired.present and key.id not in replaced]
