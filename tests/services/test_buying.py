"""A customer decides to buy."""

from typing import Any

import pytest
from tests.services.world import DAY, HOUR, MINUTE, SECOND, World, together

from veilbot_core.domain.errors import (
    GatewayOff,
    InvalidInput,
    NoCapacity,
    NotFound,
    TariffUnavailable,
    Unavailable,
    Unknown,
    UserBlocked,
)
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import OrderId, TariffId, UserId
from veilbot_core.domain.key import Key
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import PaymentKind, PaymentStatus, Provider
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.domain.tariff import Protocol, Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Notice
from veilbot_core.services.checkout import Checkout

pytestmark = pytest.mark.usefixtures("server")


class TestTheMainJob:
    async def test_money_in_means_one_working_key_out(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        order = await world.buy(ann, tariff)
        assert order.status is OrderStatus.FULFILLED
        key = await world.key(ann)
        assert world.remote(server) == {str(key.id)}
        assert key.id == Key.identify(key.subscription_id, server.id)
        holding = await world.holding(ann)
        assert (len(holding.keys), holding.coming) == (1, 0)
        assert holding.keys[0].url == world.vpn.url(server.id, key.id)
        assert await world.days_left(ann) == 30

    async def test_the_customer_is_told_once_with_key_and_link(self, world: World, tariff: Tariff, ann: User) -> None:
        await world.buy(ann, tariff)
        await world.advance(MINUTE)
        (message,) = world.notifier.told_to(ann.id)
        holding = await world.holding(ann)
        assert message.notice is Notice.READY
        assert message.keys == holding.keys
        assert message.link == holding.link
        assert message.ends_at == holding.subscription.ends_at
        assert message.subscription_id == holding.subscription.id

    async def test_every_step_is_a_fact(self, world: World, tariff: Tariff, ann: User) -> None:
        await world.buy(ann, tariff)
        events = await world.events()
        for kind in (
            EventType.ORDER_CREATED,
            EventType.PAYMENT_CREATED,
            EventType.PAYMENT_SUCCEEDED,
            EventType.ORDER_PAID,
            EventType.SUBSCRIPTION_CREATED,
            EventType.SUBSCRIPTION_EXTENDED,
            EventType.KEY_ISSUED,
            EventType.ORDER_FULFILLED,
        ):
            assert events[kind] == 1, kind

    async def test_no_fact_and_no_job_carries_a_secret(self, world: World, tariff: Tariff, ann: User) -> None:
        await world.buy(ann, tariff)
        link = (await world.holding(ann)).link.rpartition("/")[2]
        said = repr(list(world.out.bus.published))
        assert link not in said
        assert "mem://" not in said

    async def test_the_payment_is_booked_with_its_order(self, world: World, tariff: Tariff, ann: User) -> None:
        order = await world.buy(ann, tariff)
        (payment,) = await world.app.payments.page(limit=10, user_id=ann.id)
        assert (payment.kind, payment.status, payment.order_id) == (
            PaymentKind.CHARGE,
            PaymentStatus.ACCEPTED,
            order.id,
        )
        assert payment.money == Money(amount=499, currency="USD")

    async def test_two_protocols_mean_two_keys_and_one_message(self, world: World, ann: User) -> None:
        await world.server(protocol=Protocol.V2RAY, country="DE")
        both = await world.tariff(protocols=(Protocol.OUTLINE, Protocol.V2RAY))
        order = await world.buy(ann, both)
        assert order.status is OrderStatus.FULFILLED
        assert {key.protocol for key in await world.keys(ann)} == {Protocol.OUTLINE, Protocol.V2RAY}
        (message,) = world.notifier.told_to(ann.id)
        assert {access.country for access in message.keys} == {"NL", "DE"}

    async def test_the_country_is_the_customers_choice(self, world: World, tariff: Tariff, ann: User) -> None:
        german = await world.server(country="DE", capacity=1)
        await world.buy(ann, tariff, country="DE")
        assert len(world.remote(german)) == 1

    async def test_the_emptiest_server_is_chosen(self, world: World, tariff: Tariff, ann: User) -> None:
        roomy = await world.server(capacity=500)
        await world.buy(ann, tariff)
        assert len(world.remote(roomy)) == 1


class TestOpen:
    async def test_the_same_wish_is_the_same_order(self, world: World, tariff: Tariff, ann: User) -> None:
        first, second = await together(world.order(ann, tariff), world.order(ann, tariff))
        assert first.id == second.id
        assert first.checkout_url == second.checkout_url
        assert len(world.gateway.checkouts) == 1

    async def test_another_country_is_another_order(self, world: World, tariff: Tariff, ann: User) -> None:
        assert (await world.order(ann, tariff)).id != (await world.order(ann, tariff, country="NL")).id

    async def test_an_order_that_soon_ends_is_not_offered_again(self, world: World, tariff: Tariff, ann: User) -> None:
        first = await world.order(ann, tariff)
        await world.advance(31 * MINUTE)
        assert (await world.order(ann, tariff)).id != first.id

    async def test_price_and_terms_are_frozen(self, world: World, tariff: Tariff, ann: User) -> None:
        order = await world.order(ann, tariff)
        await world.app.catalog.archive(tariff.id)
        await world.pay(order)
        await world.settle()
        assert await world.status(order) is OrderStatus.FULFILLED
        assert await world.days_left(ann) == 30

    async def test_the_price_is_that_of_the_asked_currency(self, world: World, ann: User) -> None:
        tariff = await world.tariff(prices={"USD": 499, "JPY": 700})
        assert (await world.order(ann, tariff, currency="JPY")).price == Money(amount=700, currency="JPY")

    async def test_a_provider_that_fails_leaves_an_order_to_go_on_with(
        self, world: World, tariff: Tariff, ann: User
    ) -> None:
        world.gateway.fail_next(Unavailable(), on="open_checkout")
        with pytest.raises(Unavailable):
            await world.order(ann, tariff)
        world.gateway.apply_then_fail(Unknown(), on="open_checkout")
        with pytest.raises(Unknown):
            await world.order(ann, tariff)
        order = await world.order(ann, tariff)
        assert order.checkout_url is not None
        assert [known.id for known in await world.app.checkout.page(limit=10)] == [order.id]
        assert len(world.gateway.checkouts) == 1

    async def test_a_page_that_did_not_open_in_a_minute_is_opened_for_a_new_order(
        self, world: World, tariff: Tariff, ann: User
    ) -> None:
        """Providers open no page that ends soon: Stripe's last half an hour at least."""
        world.gateway.fail_next(Unavailable(), on="open_checkout", times=2)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await world.order(ann, tariff)
            await world.advance(30 * SECOND)
        (old,) = await world.app.checkout.page(limit=10)
        new = await world.order(ann, tariff)
        assert new.id != old.id
        assert new.expires_at - world.out.clock.now() == world.app.policy.order_ttl
        assert (await world.order(ann, tariff)).id == new.id

    async def test_an_order_that_was_never_offered_closes_by_itself(
        self, world: World, tariff: Tariff, ann: User
    ) -> None:
        world.gateway.fail_next(Unavailable(), on="open_checkout")
        with pytest.raises(Unavailable):
            await world.order(ann, tariff)
        (order,) = await world.app.checkout.page(limit=10)
        await world.advance(2 * HOUR)
        assert await world.status(order) is OrderStatus.CANCELED


class TestRefusedBeforeMoneyIsTaken:
    async def test_nothing_is_made_of_a_refused_wish(self, world: World, tariff: Tariff, ann: User) -> None:
        trial = await world.app.catalog.add(tariff.terms, {}, trial=True)
        other_protocol = await world.tariff(protocols=(Protocol.V2RAY,))
        elsewhere = await world.tariff(groups=("gold",))
        refusals: list[tuple[TariffId, dict[str, Any], type[Exception]]] = [
            (trial.id, {}, TariffUnavailable),
            (tariff.id, {"currency": "EUR"}, TariffUnavailable),
            (TariffId(ann.id), {}, NotFound),
            (tariff.id, {"country": "DE"}, NoCapacity),
            (tariff.id, {"country": "Netherlands"}, InvalidInput),
            (tariff.id, {"country": "nl"}, InvalidInput),
            (tariff.id, {"country": "ÄÖ"}, InvalidInput),
            (other_protocol.id, {}, NoCapacity),
            (elsewhere.id, {}, NoCapacity),
            (tariff.id, {"subscription_id": ann.id}, NotFound),
        ]
        for tariff_id, wish, error in refusals:
            with pytest.raises(error):
                await world.app.checkout.open(ann.id, tariff_id, Provider.STRIPE, **wish)
        assert not await world.app.checkout.page(limit=10)
        assert not world.gateway.checkouts

    async def test_all_servers_full(self, world: World, server: Server, tariff: Tariff, ann: User, bob: User) -> None:
        await world.app.fleet.turn(server.id, ServerStatus.DRAINING)
        await world.server(capacity=1)
        await world.buy(ann, tariff)
        with pytest.raises(NoCapacity):
            await world.order(bob, tariff)

    async def test_a_server_that_is_down_takes_no_new_customers(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        world.vpn.down(server.id)
        await world.app.work.plant()
        await world.settle()
        with pytest.raises(NoCapacity):
            await world.order(ann, tariff)

    async def test_an_archived_tariff(self, world: World, tariff: Tariff, ann: User) -> None:
        await world.app.catalog.archive(tariff.id)
        with pytest.raises(TariffUnavailable):
            await world.order(ann, tariff)

    async def test_a_blocked_customer(self, world: World, tariff: Tariff, ann: User) -> None:
        await world.app.users.block(ann.id)
        with pytest.raises(UserBlocked):
            await world.order(ann, tariff)
        await world.app.users.unblock(ann.id)
        assert (await world.order(ann, tariff)).status is OrderStatus.PENDING

    async def test_an_unknown_customer(self, world: World, tariff: Tariff) -> None:
        with pytest.raises(NotFound):
            await world.app.checkout.open(UserId(tariff.id), tariff.id, Provider.STRIPE)

    async def test_a_provider_that_is_off(self, world: World, tariff: Tariff, ann: User) -> None:
        parts = {"storage": world.out.storage, "clock": world.out.clock, "ids": world.out.ids}
        closed = Checkout(**parts, policy=world.out.policy, gateways={})  # type: ignore[arg-type]
        with pytest.raises(GatewayOff):
            await closed.open(ann.id, tariff.id, Provider.STRIPE)

    async def test_somebody_elses_subscription(self, world: World, tariff: Tariff, ann: User, bob: User) -> None:
        await world.buy(ann, tariff)
        anns = (await world.subscription(ann)).id
        with pytest.raises(NotFound):
            await world.order(bob, tariff, subscription_id=anns)

    async def test_a_renewal_needs_no_room_for_the_key_it_has(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await world.buy(ann, tariff)
        await world.app.fleet.turn(server.id, ServerStatus.DRAINING)
        order = await world.buy(ann, tariff, subscription_id=(await world.subscription(ann)).id)
        assert order.status is OrderStatus.FULFILLED

    async def test_a_renewal_after_the_keys_left_needs_room(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await world.buy(ann, tariff)
        await world.advance(32 * DAY)
        await world.app.fleet.turn(server.id, ServerStatus.DRAINING)
        with pytest.raises(NoCapacity):
            await world.order(ann, tariff, subscription_id=(await world.subscription(ann)).id)


class TestLooking:
    async def test_an_order_is_shown_to_its_customer_only(
        self, world: World, tariff: Tariff, ann: User, bob: User
    ) -> None:
        order = await world.order(ann, tariff)
        assert await world.app.checkout.get(order.id, of=ann.id) == order
        with pytest.raises(NotFound):
            await world.app.checkout.get(order.id, of=bob.id)
        with pytest.raises(NotFound):
            await world.app.checkout.get(OrderId(ann.id))

    async def test_pages_are_by_customer_and_by_status(
        self, world: World, tariff: Tariff, ann: User, bob: User
    ) -> None:
        first: Order = await world.buy(ann, tariff)
        second = await world.order(bob, tariff)
        page = world.app.checkout.page
        assert [order.id for order in await page(limit=10)] == [second.id, first.id]
        assert [order.id for order in await page(limit=10, after=second.id)] == [first.id]
        assert [order.id for order in await page(limit=10, user_id=ann.id)] == [first.id]
        assert [order.id for order in await page(limit=10, status=OrderStatus.PENDING)] == [second.id]
