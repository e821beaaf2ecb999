"""The screen that asks for money: it stops asking when the money is there, and tells the truth when it is asked."""

from collections.abc import Callable
from typing import Any

from tests.runners.bot.telegram import Customer, Shop
from tests.runners.bot.test_buying import stock

from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_runners.sandbox.telegram.faults import Fault, FaultKind

Customers = Callable[..., Customer]


async def bill(shop: Shop, customer: Customer) -> dict[str, Any]:
    """Let a customer come to the screen that asks for money; return its message."""
    await stock(shop)
    await customer.say("/buy")
    await customer.tap("Month")
    return customer.button("💳")[0]


async def the_order(shop: Shop) -> Order:
    (order,) = await shop.app.checkout.page(limit=2)
    return order


def shown(customer: Customer, message: dict[str, Any]) -> dict[str, Any]:
    """Return a message as the chat has it now."""
    return next(one for one in customer.heard if one["message_id"] == message["message_id"])


class TestPaid:
    async def test_the_screen_asks_no_more(self, shop: Shop, ann: Customer) -> None:
        asking = await bill(shop, ann)
        await ann.pay()
        await shop.settle()
        await ann.hears("nothing more to pay")
        now = shown(ann, asking)
        assert now["text"] == "✅ Month: your payment is here, there is nothing more to pay."
        assert "reply_markup" not in now

    async def test_so_does_one_in_russian_for_a_renewal(self, shop: Shop, customer: Customers) -> None:
        boris = customer("Борис", "ru")
        await bill(shop, boris)
        await boris.pay()
        await shop.settle()
        await boris.hears("больше ничего платить не нужно")
        await boris.say("/buy")
        await boris.tap("Продлить")
        await boris.tap("Month")
        asking = boris.button("💳")[0]
        await boris.pay()
        await shop.settle()
        await boris.hears("Продлено|продл")
        assert "платить не нужно" in shown(boris, asking)["text"]

    async def test_one_that_shows_something_else_by_now_is_left_alone(self, shop: Shop, ann: Customer) -> None:
        asking = await bill(shop, ann)
        order = await the_order(shop)
        menu = await ann.tap("Menu", message=asking)
        await shop.receive(shop.gateway.pay(order.id))
        await shop.settle()
        await ann.hears("ready")
        assert shown(ann, asking)["text"] == menu

    async def test_telegram_failing_at_it_does_not_tell_the_customer_twice(self, shop: Shop, ann: Customer) -> None:
        await bill(shop, ann)
        shop.telegram.sandbox.faults.arm(Fault(kind=FaultKind.FORBIDDEN, method="editMessageText"))
        await ann.pay()
        await shop.settle()
        assert len([heard for heard in ann.heard if "photo" in heard]) == 1


class TestAsking:
    async def test_money_that_is_not_there_is_said_so_and_can_still_be_paid(self, shop: Shop, ann: Customer) -> None:
        await bill(shop, ann)
        await ann.tap("I have paid")
        assert ann.toasts[-1] == "No payment has arrived yet. After you have paid, it can take a minute."
        await ann.pay()
        await shop.settle()
        await ann.hears("nothing more to pay")

    async def test_a_screen_that_was_forgotten_stops_asking_when_it_is_tapped(self, shop: Shop, ann: Customer) -> None:
        asking = await bill(shop, ann)
        await shop.out.cache.drop(f"bill:{(await the_order(shop)).id}")
        await ann.pay()
        await shop.settle()
        await ann.hears("ready")
        assert "reply_markup" in shown(ann, asking)
        await ann.tap("I have paid", message=asking)
        assert "nothing more to pay" in shown(ann, asking)["text"]
        assert "💳" not in str(shown(ann, asking)["reply_markup"])

    async def test_a_closed_order_is_said_to_be_closed(self, shop: Shop, ann: Customer) -> None:
        asking = await bill(shop, ann)
        await shop.advance(2 * shop.app.policy.order_ttl)
        assert "nothing was paid" in await ann.tap("I have paid", message=asking)

    async def test_money_that_a_person_looks_at_is_said_so(self, shop: Shop, ann: Customer) -> None:
        asking = await bill(shop, ann)
        await shop.out.cache.drop(f"bill:{(await the_order(shop)).id}")
        order = await the_order(shop)
        await shop.receive(shop.gateway.pay(order.id, Money(amount=1, currency="USD")))
        await shop.settle()
        assert "needs a look" in await ann.tap("I have paid", message=asking)

    async def test_anothers_order_is_not_there(self, shop: Shop, ann: Customer, customer: Customers) -> None:
        _, button = ann.button("I have paid", await bill(shop, ann))
        eve = customer("Eve")
        await eve.say("/start")
        assert "payment" not in await eve.send_data(eve.heard[-1], button["callback_data"])
