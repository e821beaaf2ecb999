"""The provider's side: money moves when people want it to, and webhooks go out until somebody answers."""

import asyncio
import json

from veilbot_core.domain.errors import InvalidSignature, VeilbotError
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Provider
from veilbot_runners.simulation.faults import Fault
from veilbot_runners.simulation.process import NoAnswer
from veilbot_runners.simulation.world import World

_BOOKED = frozenset({"charged", "refunded"})


class Cashier:
    """Takes money, gives it back, and tells the shop."""

    def __init__(self, world: World, group: asyncio.TaskGroup) -> None:
        self._world = world
        self._group = group

    def charge(self, order: Order, money: Money | None = None, *, again: bool = False) -> None:
        """Take a customer's money, unless it is on its way already."""
        if self._world.gateway.checkouts[order.id].processing:
            return
        body, _ = self._world.gateway.pay(order.id, money, again=again)
        self._world.history.note("customer pays", order.id, money or order.price)
        self.post(body)

    def process(self, order: Order) -> bool:
        """Let a customer be done with the page, for money that is on its way then; say whether the page was open."""
        page = self._world.gateway.checkouts[order.id]
        if page.processing or page.expired or self._paid(order) or order.expires_at <= self._world.clock.now():
            return False
        self._world.history.note("customer pays slowly", order.id)
        self._world.history.faults["money on its way"] += 1
        self.post(self._world.gateway.process(order.id)[0])
        return True

    def arrive(self, order: Order) -> None:
        """Let money arrive that was on its way."""
        self._world.history.note("money arrives", order.id)
        self.post(self._world.gateway.pay(order.id)[0])

    def bounce(self, order: Order) -> None:
        """Let money that was on its way not arrive."""
        self._world.history.note("money does not arrive", order.id)
        self.post(self._world.gateway.fail(order.id)[0])

    def fail(self, order: Order) -> None:
        """Refuse a card."""
        if not self._world.gateway.checkouts[order.id].processing:
            self.post(self._world.gateway.fail(order.id)[0])

    def expire(self, order: Order) -> None:
        """Close an unpaid page."""
        if not self._paid(order) and not self._world.gateway.checkouts[order.id].processing:
            self.post(self._world.gateway.expire(order.id)[0])

    def give_back(self, order: Order, share: float) -> None:
        """Refund by hand in the provider's own panel."""
        world = self._world
        charges = [charge for charge in world.gateway.charges.values() if charge.order_id == order.id]
        gone = sum(refund.money.amount for refund in world.gateway.refunds.values() if refund.order_id == order.id)
        if not charges or gone:
            return
        amount = max(1, int(charges[0].money.amount * share))
        money = Money(amount=amount, currency=charges[0].money.currency)
        body, _ = world.gateway.give_back(order.id, money)
        world.history.note("panel refunds", order.id, money)
        self.post(body)

    def return_refund(self, refund_id: str) -> None:
        """Let money that went back not reach the customer."""
        self._world.history.note("refund does not arrive", refund_id)
        self._world.history.faults["refund failed"] += 1
        self.post(self._world.gateway.fail_refund(refund_id)[0])

    def dispute(self, order: Order, *, won: bool | None = None) -> None:
        """Let the bank claim the money back, or decide, or change its mind; each order is disputed once."""
        known = self._world.truth.disputes.get(order.id)
        possible = known is None if won is None else known == "open" or (known == "won" and not won)
        if not possible or not self._paid(order):
            return
        verdict = {None: "open", True: "won", False: "lost"}[won]
        self._world.truth.disputes[order.id] = verdict
        self._world.history.note("bank", verdict, order.id)
        self.post(self._world.gateway.dispute(order.id, won=won)[0])

    def post(self, body: bytes) -> None:
        """Send a webhook as often and as late as this provider does, or never."""
        faults = self._world.faults
        if faults.strikes(Fault.PROVIDERS, 5) or self._world.loop.time() < self._world.silent_until:
            self._world.history.faults["webhook dropped"] += 1
            return
        for _ in range(1 + faults.strikes(Fault.PROVIDERS, 5)):
            delay = faults.random.choice((1.0, 60.0, 1800.0, 9000.0)) if faults.strikes(Fault.PROVIDERS, 5) else 0.0
            self._world.underway += 1
            self._group.create_task(self._deliver(body, delay * faults.random.random()))
        if faults.strikes(Fault.PROVIDERS, 5):
            self._group.create_task(self._forge(body))

    def _paid(self, order: Order) -> bool:
        return any(charge.order_id == order.id for charge in self._world.gateway.charges.values())

    async def _deliver(self, body: bytes, delay: float) -> None:
        """Try until it is answered, further and further apart."""
        world, wait = self._world, 20.0
        await asyncio.sleep(delay)
        for _ in range(25):
            webhook = world.gateway.sign(body)
            try:
                receipt = await world.call(lambda app, hook=webhook: app.payments.receive(Provider.STRIPE, *hook))  # type: ignore[misc]
            except (NoAnswer, VeilbotError, TimeoutError) as error:
                world.history.note("webhook unanswered", type(error).__name__)
                await asyncio.sleep(wait * (0.5 + world.random.random()))
                wait = min(wait * 2, 3600.0)
            else:
                self._answered(json.loads(body), receipt)
                return

    def _answered(self, said: dict[str, str], receipt: str) -> None:
        self._world.history.note("webhook answered", said["happening"], said["external_id"], receipt)
        if said["happening"] in _BOOKED:
            self._world.truth.booked.add((said["happening"], said["external_id"]))
        self._world.underway -= 1

    async def _forge(self, body: bytes) -> None:
        """Claim what is not true, in somebody else's name."""
        world = self._world
        said = json.loads(body) | {"id": f"evt_forged_{world.random.random()}", "external_id": "ch_forged"}
        webhook = world.gateway.forge(json.dumps(said | {"happening": "charged", "charge_id": "ch_forged"}).encode())
        try:
            await world.call(lambda app: app.payments.receive(Provider.STRIPE, *webhook))
        except InvalidSignature:
            world.history.note("a forged webhook was refused")
        except (NoAnswer, VeilbotError, TimeoutError):
            world.history.note("a forged webhook met nobody")
        else:
            world.history.breach("nothing_for_unverified_money", "a forged webhook was answered 2xx")
