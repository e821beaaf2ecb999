"""Asking the shop: what people do when no answer comes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from veilbot_core.application import Application
from veilbot_core.domain.errors import PortError, VeilbotError
from veilbot_core.domain.order import Order
from veilbot_runners.simulation.process import NoAnswer
from veilbot_runners.simulation.world import World

T = TypeVar("T")


async def patiently(world: World, act: Callable[[Application], Awaitable[T]], tries: int = 6) -> T | None:
    """Ask again after no answer or trouble outside; None when it stays that way or a rule says no."""
    for number in range(tries):
        try:
            return await world.call(act)
        except (NoAnswer, PortError, TimeoutError):
            await asyncio.sleep(3.0 * (number + 1))
        except VeilbotError as error:
            world.history.note("refused", error.code)
            return None
    return None


async def ask_back(world: World, order: Order, amount: int | None) -> None:
    """Let an operator send money back; an answer that never came is not asked for again."""
    world.truth.asked[order.id] += 1
    try:
        await world.call(lambda app: app.payments.ask_refund(order.id, amount))
    except (NoAnswer, VeilbotError, TimeoutError) as error:
        world.history.note("refund not asked", type(error).__name__)
    else:
        world.truth.promised.add(order.id)
