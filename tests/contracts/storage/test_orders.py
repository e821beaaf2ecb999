"""Decisions to buy."""

from dataclasses import replace

import pytest
from tests.contracts.storage.things import HOUR, NOW, SECOND, a_tariff, a_user, an_order, new_id, open_shop

from veilbot_core.domain.errors import AlreadyExists, NotFound
from veilbot_core.domain.ids import OrderId, SubscriptionId
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Hold, Order, OrderStatus
from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.ports.storage import Storage


class TestOrders:
    async def test_what_was_added_comes_back(self, storage: Storage) -> None:
        shop = await open_shop(storage)
        order = shop.order(
            terms=Terms(name="Месяц", days=30, traffic_limit=2**40, protocols=(Protocol.V2RAY,), groups=("a", "b")),
            price=Money(amount=10**15, currency="RUB"),
            country="DE",
            subscription_id=SubscriptionId(new_id()),
            status=OrderStatus.HELD,
            checkout_id="cs_1",
            checkout_url="https://pay.example/ё",
            note="сумма",
            held_for=Hold.DISPUTE,
            paid_at=NOW,
            closed_at=NOW + SECOND,
        )
        await storage.write(lambda uow: uow.orders.add(order))
        assert await storage.read(lambda uow: uow.orders.get(order.id)) == order
        assert await storage.write(lambda uow: uow.orders.lock(order.id)) == order
        assert await storage.write(lambda uow: uow.orders.find(order.id)) == order

    async def test_saved_changes_come_back(self, storage: Storage) -> None:
        order = (await open_shop(storage)).order()
        await storage.write(lambda uow: uow.orders.add(order))
        changed = order.offer("cs_2", "https://pay.example/2").pay(NOW).serve(SubscriptionId(new_id()))
        await storage.write(lambda uow: uow.orders.save(changed))
        assert await storage.read(lambda uow: uow.orders.get(order.id)) == changed

    async def test_unknown_is_not_found(self, storage: Storage) -> None:
        with pytest.raises(NotFound):
            await storage.read(lambda uow: uow.orders.get(OrderId(new_id())))
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.orders.lock(OrderId(new_id())))
        assert await storage.write(lambda uow: uow.orders.find(OrderId(new_id()))) is None
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.orders.save(an_order(a_user(), a_tariff())))

    async def test_an_id_is_used_once(self, storage: Storage) -> None:
        order = (await open_shop(storage)).order()
        await storage.write(lambda uow: uow.orders.add(order))
        with pytest.raises(AlreadyExists):
            await storage.write(lambda uow: uow.orders.add(replace(order, note="again")))


class TestOpenOrders:
    async def test_only_this_users_unpaid_ones_newest_first(self, storage: Storage) -> None:
        shop, other = await open_shop(storage), await open_shop(storage)
        orders = [shop.order(status=status) for status in OrderStatus] + [shop.order(), other.order()]
        await storage.write(lambda uow: [uow.orders.add(order) for order in orders])
        mine = [order for order in orders if order.user_id == shop.user.id and order.status is OrderStatus.PENDING]
        assert list(await storage.read(lambda uow: uow.orders.pending_of(shop.user.id))) == mine[::-1]

    async def test_at_most_twenty(self, storage: Storage) -> None:
        shop = await open_shop(storage)
        orders = [shop.order() for _ in range(22)]
        await storage.write(lambda uow: [uow.orders.add(order) for order in orders])
        assert list(await storage.read(lambda uow: uow.orders.pending_of(shop.user.id))) == orders[:1:-1]


class TestOrderPages:
    @pytest.fixture
    async def orders(self, storage: Storage) -> list[Order]:
        shop, other = await open_shop(storage), await open_shop(storage)
        paid = {"status": OrderStatus.PAID, "paid_at": NOW}
        orders = [
            shop.order(),
            other.order(),
            shop.order(**paid),
            other.order(**paid),
            shop.order(),
            shop.order(**paid),
        ]
        await storage.write(lambda uow: [uow.orders.add(order) for order in orders])
        return orders

    async def test_newest_first_by_key(self, storage: Storage, orders: list[Order]) -> None:
        first = await storage.read(lambda uow: uow.orders.page(limit=4))
        rest = await storage.read(lambda uow: uow.orders.page(limit=4, after=first[-1].id))
        assert [*first, *rest] == orders[::-1]

    async def test_of_one_user(self, storage: Storage, orders: list[Order]) -> None:
        user = orders[0].user_id
        mine = [order for order in reversed(orders) if order.user_id == user]
        first = await storage.read(lambda uow: uow.orders.page(limit=3, user_id=user))
        rest = await storage.read(lambda uow: uow.orders.page(limit=3, user_id=user, after=first[-1].id))
        assert [*first, *rest] == mine

    async def test_of_one_status(self, storage: Storage, orders: list[Order]) -> None:
        found = await storage.read(lambda uow: uow.orders.page(limit=9, status=OrderStatus.PAID))
        assert list(found) == [order for order in reversed(orders) if order.status is OrderStatus.PAID]

    async def test_of_one_user_and_status(self, storage: Storage, orders: list[Order]) -> None:
        user = orders[1].user_id
        found = await storage.read(
            lambda uow: uow.orders.page(limit=9, user_id=user, status=OrderStatus.PAID, after=orders[5].id)
        )
        assert list(found) == [orders[3]]


class TestStuckOrders:
    async def test_paid_long_ago_and_not_fulfilled_oldest_first(self, storage: Storage) -> None:
        shop = await open_shop(storage)
        late = shop.order(status=OrderStatus.PAID, paid_at=NOW - HOUR)
        later = shop.order(status=OrderStatus.PAID, paid_at=NOW - 2 * HOUR)
        fresh = shop.order(status=OrderStatus.PAID, paid_at=NOW)
        done = shop.order(status=OrderStatus.FULFILLED, paid_at=NOW - HOUR)
        unpaid = shop.order(created_at=NOW - HOUR)
        await storage.write(lambda uow: [uow.orders.add(order) for order in (late, later, fresh, done, unpaid)])
        assert list(await storage.read(lambda uow: uow.orders.stuck(NOW, 9))) == [later.id, late.id]
        assert list(await storage.read(lambda uow: uow.orders.stuck(NOW, 1))) == [later.id]
