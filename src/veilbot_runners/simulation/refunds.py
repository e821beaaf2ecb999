"""Refunds that fail on their way, and operators who send them again."""

import asyncio
from collections.abc import Awaitable, Callable

from veilbot_core.application import Application
from veilbot_core.domain.errors import Conflict, InvalidInput, PortError
from veilbot_core.domain.ids import OrderId, PaymentId
from veilbot_core.domain.order import Order
from veilbot_runners.simulation.asking import ask_back, patiently
from veilbot_runners.simulation.process import NoAnswer
from veilbot_runners.simulation.provider import Cashier
from veilbot_runners.simulation.world import World

_LOOKS, _BETWEEN = 5, 600.0
"""How often, and how many seconds apart, it is looked whether there is a refund that can fail."""


async def fail(world: World, cashier: Cashier, order: Order, wait: float, *, part: bool) -> None:
    """Let a refund of an order fail once it was accepted; with ``part``, a little more goes back before it is known."""
    for _ in range(_LOOKS):
        await asyncio.sleep(wait)
        refunds = world.gateway.refunds.values()
        sent = [one for one in refunds if one.order_id == order.id and one.id not in world.gateway.undone]
        if sent:
            cashier.return_refund(sent[0].id)
            break
        wait = _BETWEEN
    else:
        return
    await asyncio.sleep(wait)
    if part:
        await ask_back(world, order, 1)
        await asyncio.sleep(wait)
    await send_again(world)


async def send_again(world: World) -> None:
    """Send all money again of which operators were told that it did not arrive."""
    told = [alert.subject for alert in world.notifier.alerts if alert.code == "payment.refund_failed"]
    for subject in dict.fromkeys(told):
        if subject is not None and subject not in world.truth.sent_again:
            await _again(world, PaymentId(subject))


async def _again(world: World, payment_id: PaymentId) -> None:
    payment = await patiently(world, lambda app: app.payments.get(payment_id), 5)
    if payment is None or payment.order_id is None:
        return
    order_id: OrderId = payment.order_id
    for amount in (payment.money.amount, None):  # all that is left, if it is less by now
        world.truth.asked[order_id] += 1
        try:
            await world.call(_send(order_id, amount))
        except InvalidInput:
            continue
        except Conflict:  # it was sent, and nobody heard so
            world.history.note("refund was sent again", order_id)
        except (NoAnswer, PortError, TimeoutError) as error:
            world.history.note("refund perhaps sent again", type(error).__name__)
            return
        break
    world.truth.sent_again.add(payment_id)


def _send(order_id: OrderId, amount: int | None) -> Callable[[Application], Awaitable[Order]]:
    return lambda app: app.payments.ask_refund(order_id, amount)
