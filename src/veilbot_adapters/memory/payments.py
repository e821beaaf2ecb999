"""A payment provider in memory, with books of its own."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from veilbot_adapters.memory.network import Network, Pause, step_aside
from veilbot_adapters.memory.webhook import SIGNATURE, TOLERANCE, read, write
from veilbot_core.domain.errors import InvalidSignature, NotFound, Rejected
from veilbot_core.domain.ids import OrderId, derive
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Happening, PaymentEvent, Provider
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.payments import OpenCheckout, PaymentGateway, Told

Webhook = tuple[bytes, Mapping[str, str]]
"""The raw body and the headers, as `MemoryGateway.parse_webhook` takes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCheckout:
    """A page that takes money for one order."""

    page: OpenCheckout
    order_id: OrderId
    money: Money
    expires_at: datetime
    expired: bool = False
    processing: bool = False
    """Whether the customer has done everything and the money is on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCharge:
    """Money that a customer paid."""

    id: str
    order_id: OrderId
    money: Money
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRefund:
    """Money that went back."""

    id: str
    order_id: OrderId
    charge_id: str
    money: Money
    at: datetime
    by_hand: bool = False
    """Whether it was made at the provider's own page; such a one names no order."""


class MemoryGateway(Network, PaymentGateway):
    """Keeps ``checkouts``, ``charges`` and ``refunds``, and signs webhooks that a test delivers as often as it likes.

    The customer's side is `pay`, `fail` and `expire`, the bank's is `dispute`, and `give_back` is somebody's at the
    provider's own page; each returns a webhook. As with real providers, a dispute and a refund by hand name no order,
    only their charge. `sign` makes an authentic webhook of any body, `forge` one that was signed with another secret.
    """

    def __init__(
        self,
        clock: Clock,
        provider: Provider = Provider.STRIPE,
        *,
        secret: str = "memory webhook secret",  # noqa: S107 - a fake's default
        pause: Pause = step_aside,
    ) -> None:
        super().__init__(pause)
        self.provider = provider
        self.checkouts: dict[OrderId, MemoryCheckout] = {}
        self.charges: dict[str, MemoryCharge] = {}
        self.refunds: dict[str, MemoryRefund] = {}
        self._clock = clock
        self._secret = secret.encode()
        self._charges_of: dict[OrderId, list[MemoryCharge]] = {}
        self.undone: set[str] = set()
        """Refunds that did not arrive."""
        self.happened: dict[str, PaymentEvent] = {}
        """What the provider tells by webhooks, oldest first, by the event's id."""
        self.page = 100
        """Events on one page of `told`."""
        self._events = count(1)

    # What the core calls

    async def open_checkout(self, order: Order) -> OpenCheckout:
        """Make a page, or return the one that the order has."""
        async with self._call("open_checkout"):
            known = self.checkouts.get(order.id)
            if known is None:
                if order.expires_at <= self._clock.now():
                    raise Rejected("a checkout cannot expire in the past")
                page = OpenCheckout(checkout_id=f"cs_{order.id.hex}", url=f"mem://{self.provider}/pay/{order.id}")
                known = MemoryCheckout(page=page, order_id=order.id, money=order.price, expires_at=order.expires_at)
                self.checkouts[order.id] = known
            return known.page

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> PaymentEvent | None:
        """Verify the bytes, then read them."""
        moment, _, signature = headers.get(SIGNATURE, "").partition(",")
        expected = self._signature(self._secret, moment, body)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            raise InvalidSignature
        if not moment.isascii() or not moment.isdigit() or abs(self._clock.now().timestamp() - int(moment)) > TOLERANCE:
            raise InvalidSignature("signed too long ago, or in the future")
        return read(self.provider, body)

    async def fetch(self, order: Order) -> PaymentEvent | None:
        """Look into the books; the event's id is not that of the webhook, as with a real provider."""
        async with self._call("fetch"):
            charges = self._charges_of.get(order.id)
            if charges:  # paid late, it is paid all the same
                return replace(self._charged(charges[0]), event_id=f"fetched_{charges[0].id}")
            checkout, now = self.checkouts.get(order.id), self._clock.now()
            if checkout and checkout.processing:
                event = self._about(Happening.PROCESSING, order.id, checkout.page.checkout_id, now)
                return replace(event, event_id=f"fetched_{checkout.page.checkout_id}_processing")
            ends_at = order.expires_at if checkout is None else checkout.expires_at
            if now < ends_at and not (checkout and checkout.expired):
                return None
            event = self._about(Happening.EXPIRED, order.id, f"cs_{order.id.hex}", now)
            return replace(event, event_id=f"fetched_cs_{order.id.hex}")

    async def refund(self, order: Order, charge_id: str, money: Money, *, attempt: str) -> PaymentEvent:
        """Send money back; the same charge, amount and attempt give the same refund."""
        async with self._call("refund"):
            refund_id = f"re_{derive('refund', charge_id, money.amount, attempt).hex}"
            known = self.refunds.get(refund_id)
            if known is None:
                charge = self.charges.get(charge_id)
                if charge is None or charge.order_id != order.id:
                    raise Rejected(f"no charge {charge_id} of this order")
                known = self._sent(refund_id, charge, money)
            return self._happened(self._refunded(known))

    async def told(self, since: datetime, until: datetime, *, after: str | None = None) -> Told:
        """Walk back through what happened."""
        async with self._call("told"):
            listed = [event for event in reversed(self.happened.values()) if since <= event.at < until]
            first = 0 if after is None else 1 + next(i for i, event in enumerate(listed) if event.event_id == after)
            page = listed[first : first + self.page]
            more = page[-1].event_id if len(listed) > first + self.page else None
            return Told(events=page, more=more)

    # What happens at the provider

    def pay(self, order_id: OrderId, money: Money | None = None, *, again: bool = False) -> Webhook:
        """Let the customer pay the order's price, or other ``money``, even late.

        A paid order gives the same event again, in a new delivery; with ``again`` it is charged once more.
        """
        checkout = self._checkout(order_id)
        charges = self._charges_of.setdefault(order_id, [])
        if again or not charges:
            charge_id = f"ch_{order_id.hex}_{len(charges) + 1}"
            charge = MemoryCharge(id=charge_id, order_id=order_id, money=money or checkout.money, at=self._clock.now())
            self.charges[charge_id] = charge
            charges.append(charge)
        return self.deliver(self._happened(self._charged(charges[-1])))

    def process(self, order_id: OrderId) -> Webhook:
        """Let the customer pay by a method whose money arrives later, by `pay`, or not at all, by `fail`.

        The webhook says that the page is done with; no list tells it, because it is no news of money.
        """
        checkout = self.checkouts[order_id] = replace(self._checkout(order_id), processing=True)
        return self.deliver(self._about(Happening.PROCESSING, order_id, checkout.page.checkout_id, self._clock.now()))

    def fail(self, order_id: OrderId) -> Webhook:
        """Let a try to pay fail; the page stays open, unless it is that delayed money does not arrive."""
        checkout = self._checkout(order_id)
        page = checkout.page
        self.checkouts[order_id] = replace(checkout, expired=checkout.processing, processing=False)
        event = self._about(Happening.FAILED, order_id, page.checkout_id, self._clock.now())
        return self.deliver(self._happened(event))

    def expire(self, order_id: OrderId) -> Webhook:
        """Let the page die unpaid."""
        checkout = self.checkouts[order_id] = replace(self._checkout(order_id), expired=True)
        event = self._about(Happening.EXPIRED, order_id, checkout.page.checkout_id, self._clock.now())
        return self.deliver(self._happened(event))

    def fail_refund(self, refund_id: str) -> Webhook:
        """Let money that went back not arrive."""
        known = self.refunds[refund_id]
        self.undone.add(refund_id)
        event = replace(self._refunded(known), happening=Happening.REFUND_FAILED, at=self._clock.now())
        return self.deliver(self._happened(replace(event, event_id=f"evt_{next(self._events)}")))

    def give_back(self, order_id: OrderId, money: Money | None = None) -> Webhook:
        """Let somebody send an order's first charge back, or ``money`` of it, at the provider's own page."""
        charge = self._charges_of[order_id][0]
        refund = self._sent(f"re_hand_{next(self._events)}", charge, money or charge.money, by_hand=True)
        return self.deliver(self._happened(self._refunded(refund)))

    def dispute(self, order_id: OrderId, *, won: bool | None = None) -> Webhook:
        """Let the customer's bank claim the money back; ``won`` ends the dispute for us, or against us."""
        charges = self._charges_of.get(order_id)
        if not charges:
            raise NotFound("nothing was paid for this order")
        happening = {None: Happening.DISPUTED, True: Happening.DISPUTE_WON, False: Happening.DISPUTE_LOST}[won]
        charge = charges[0]
        dispute_id = f"dp_{charge.id}"
        event = self._about(happening, None, dispute_id, self._clock.now(), charge.money, charge_id=charge.id)
        return self.deliver(self._happened(event))

    # Webhooks, true and false

    def deliver(self, event: PaymentEvent) -> Webhook:
        """Write an event as a body and sign it now."""
        return self.sign(write(event))

    def sign(self, body: bytes, *, ago: timedelta = timedelta()) -> Webhook:
        """Sign any body, as if some time ago."""
        return body, {SIGNATURE: self._stamp(self._secret, body, ago)}

    def forge(self, body: bytes) -> Webhook:
        """Sign a body as somebody would who does not know the secret."""
        return body, {SIGNATURE: self._stamp(b"a guess", body, timedelta())}

    def _happened(self, event: PaymentEvent) -> PaymentEvent:
        """Remember what the webhook tells, the first time."""
        return self.happened.setdefault(event.event_id, event)

    def _stamp(self, secret: bytes, body: bytes, ago: timedelta) -> str:
        moment = str(int((self._clock.now() - ago).timestamp()))
        return f"{moment},{self._signature(secret, moment, body)}"

    @staticmethod
    def _signature(secret: bytes, moment: str, body: bytes) -> str:
        return hmac.new(secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()

    def _checkout(self, order_id: OrderId) -> MemoryCheckout:
        if order_id not in self.checkouts:
            raise NotFound("this order has no checkout")
        return self.checkouts[order_id]

    def _check_covered(self, charge: MemoryCharge, money: Money) -> None:
        sent = (r for r in self.refunds.values() if r.charge_id == charge.id and r.id not in self.undone)
        gone = sum(refund.money.amount for refund in sent)
        if money.currency != charge.money.currency or not 0 < money.amount <= charge.money.amount - gone:
            raise Rejected("a refund is no more than what is left of the charge")

    def _sent(self, refund_id: str, charge: MemoryCharge, money: Money, *, by_hand: bool = False) -> MemoryRefund:
        self._check_covered(charge, money)
        refund = self.refunds[refund_id] = MemoryRefund(
            id=refund_id,
            order_id=charge.order_id,
            charge_id=charge.id,
            money=money,
            at=self._clock.now(),
            by_hand=by_hand,
        )
        return refund

    def _refunded(self, refund: MemoryRefund) -> PaymentEvent:
        named = None if refund.by_hand else refund.order_id
        event = self._about(Happening.REFUNDED, named, refund.id, refund.at, refund.money, charge_id=refund.charge_id)
        return replace(event, event_id=f"evt_{refund.id}")

    def _charged(self, charge: MemoryCharge) -> PaymentEvent:
        event = self._about(Happening.CHARGED, charge.order_id, charge.id, charge.at, charge.money)
        return replace(event, event_id=f"evt_{charge.id}", charge_id=charge.id)

    def _about(
        self,
        happening: Happening,
        order_id: OrderId | None,
        external_id: str,
        at: datetime,
        money: Money | None = None,
        *,
        charge_id: str | None = None,
    ) -> PaymentEvent:
        return PaymentEvent(
            provider=self.provider,
            event_id=f"evt_{next(self._events)}",
            happening=happening,
            order_id=order_id,
            external_id=external_id,
            charge_id=charge_id,
            money=money,
            at=at,
        )
