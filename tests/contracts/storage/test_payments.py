"""Movements of money and the inbox of providers' events."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.contracts.storage.things import NOW, a_payment, new_id, open_shop

from veilbot_core.domain.errors import NotFound
from veilbot_core.domain.ids import OrderId, PaymentId
from veilbot_core.domain.money import Money
from veilbot_core.domain.payment import Payment, PaymentKind, PaymentStatus, Provider
from veilbot_core.ports.storage import Storage, UnitOfWork


class TestPayments:
    async def test_what_was_added_comes_back(self, storage: Storage) -> None:
        order = (await open_shop(storage)).order()
        await storage.write(lambda uow: uow.orders.add(order))
        payment = a_payment(
            order,
            kind=PaymentKind.REFUND,
            money=Money(amount=-(10**15), currency="RUB"),
            status=PaymentStatus.HELD,
            note="чужие деньги",
        )
        assert await storage.write(lambda uow: uow.payments.add(payment)) is True
        assert await storage.read(lambda uow: uow.payments.get(payment.id)) == payment

    async def test_money_for_an_unknown_order_is_kept(self, storage: Storage) -> None:
        payment = a_payment(order_id=OrderId(new_id()), status=PaymentStatus.HELD)
        assert await storage.write(lambda uow: uow.payments.add(payment)) is True
        assert list(await storage.read(lambda uow: uow.payments.page(limit=2))) == [payment]

    async def test_a_movement_is_recorded_once(self, storage: Storage) -> None:
        payment = a_payment()
        again = replace(payment, id=PaymentId(new_id()), note="redelivered")
        assert await storage.write(lambda uow: uow.payments.add(payment)) is True
        assert await storage.write(lambda uow: uow.payments.add(again)) is False
        assert await storage.read(lambda uow: uow.payments.page(limit=9)) == [payment]

    async def test_a_known_movement_spoils_nothing_else_in_the_unit_of_work(self, storage: Storage) -> None:
        payment, other = a_payment(), a_payment()
        await storage.write(lambda uow: uow.payments.add(payment))
        assert await storage.write(lambda uow: [uow.payments.add(p) for p in (payment, other)]) == [False, True]
        assert await storage.read(lambda uow: uow.payments.get(other.id)) == other

    async def test_a_charge_and_a_refund_may_share_the_providers_id(self, storage: Storage) -> None:
        charge = a_payment(external_id="x")
        refund = a_payment(external_id="x", kind=PaymentKind.REFUND)
        assert await storage.write(lambda uow: [uow.payments.add(p) for p in (charge, refund)]) == [True, True]

    async def test_found_by_the_providers_id(self, storage: Storage) -> None:
        payment = a_payment(external_id="pi_1")
        await storage.write(lambda uow: uow.payments.add(payment))
        charge, refund = PaymentKind.CHARGE, PaymentKind.REFUND
        assert await storage.read(lambda uow: uow.payments.find(Provider.STRIPE, charge, "pi_1")) == payment
        assert await storage.read(lambda uow: uow.payments.find(Provider.STRIPE, refund, "pi_1")) is None
        assert await storage.read(lambda uow: uow.payments.find(Provider.STRIPE, charge, "pi_2")) is None

    async def test_unknown_is_not_found(self, storage: Storage) -> None:
        with pytest.raises(NotFound):
            await storage.read(lambda uow: uow.payments.get(PaymentId(new_id())))

    async def test_those_of_an_order_oldest_first(self, storage: Storage) -> None:
        shop = await open_shop(storage)
        order, other = shop.order(), shop.order()
        await storage.write(lambda uow: [uow.orders.add(o) for o in (order, other)])
        payments = [a_payment(order), a_payment(other), a_payment(order, kind=PaymentKind.REFUND)]
        await storage.write(lambda uow: [uow.payments.add(p) for p in payments])
        assert list(await storage.read(lambda uow: uow.payments.of_order(order.id))) == [payments[0], payments[2]]

    async def test_what_was_booked_before_its_charge_belongs_to_the_order_of_that(self, storage: Storage) -> None:
        order, other = (await open_shop(storage)).order(), (await open_shop(storage)).order()
        await storage.write(lambda uow: [uow.orders.add(o) for o in (order, other)])
        refund, dispute = PaymentKind.REFUND, PaymentKind.DISPUTE
        payments = [
            a_payment(kind=refund, charge_id="pi_1"),
            a_payment(kind=refund, charge_id="pi_2"),
            a_payment(order, external_id="pi_1"),
            a_payment(kind=dispute, charge_id="pi_1"),
            a_payment(other, external_id="pi_3", charge_id="pi_3"),
            a_payment(order, kind=refund, charge_id="pi_1"),
            a_payment(kind=refund),
        ]
        await storage.write(lambda uow: [uow.payments.add(p) for p in payments])
        mine = [payments[0], payments[2], payments[3], payments[5]]
        assert list(await storage.read(lambda uow: uow.payments.of_order(order.id))) == mine
        assert list(await storage.read(lambda uow: uow.payments.of_order(other.id))) == [payments[4]]

    async def test_of_a_charge_and_its_refund_side_by_side_the_second_finds_the_first(self, storage: Storage) -> None:
        order = (await open_shop(storage)).order()
        await storage.write(lambda uow: uow.orders.add(order))

        async def book(payment: Payment, charge_id: str, other: PaymentKind, other_id: str) -> bool:
            def work(uow: UnitOfWork) -> bool:
                uow.payments.lock_charge(Provider.STRIPE, charge_id)
                found = uow.payments.find(Provider.STRIPE, other, other_id) is not None
                uow.payments.add(payment)
                return found

            return await storage.write(work)

        for n in range(20):
            charge = a_payment(order, external_id=f"pi_{n}")
            refund = a_payment(kind=PaymentKind.REFUND, external_id=f"re_{n}", charge_id=f"pi_{n}")
            found = await asyncio.gather(
                book(charge, f"pi_{n}", PaymentKind.REFUND, f"re_{n}"),
                book(refund, f"pi_{n}", PaymentKind.CHARGE, f"pi_{n}"),
            )
            assert sorted(found) == [False, True]


class TestPaymentPages:
    @pytest.fixture
    async def payments(self, storage: Storage) -> list[Payment]:
        one, two = (await open_shop(storage)).order(), (await open_shop(storage)).order()
        await storage.write(lambda uow: [uow.orders.add(o) for o in (one, two)])
        held = {"status": PaymentStatus.HELD}
        payments = [a_payment(one), a_payment(two), a_payment(one, **held), a_payment(two, **held), a_payment(one)]
        await storage.write(lambda uow: [uow.payments.add(p) for p in payments])
        return payments

    async def test_newest_first_by_key(self, storage: Storage, payments: list[Payment]) -> None:
        first = await storage.read(lambda uow: uow.payments.page(limit=3))
        rest = await storage.read(lambda uow: uow.payments.page(limit=3, after=first[-1].id))
        assert [*first, *rest] == payments[::-1]

    async def test_of_one_user_and_status(self, storage: Storage, payments: list[Payment]) -> None:
        user, held = payments[0].user_id, PaymentStatus.HELD
        assert list(await storage.read(lambda uow: uow.payments.page(limit=2, user_id=user))) == payments[4:1:-2]
        assert list(await storage.read(lambda uow: uow.payments.page(limit=9, status=held))) == payments[3:1:-1]
        both = await storage.read(lambda uow: uow.payments.page(limit=9, user_id=user, status=held))
        assert list(both) == [payments[2]]
        after = await storage.read(lambda uow: uow.payments.page(limit=9, status=held, after=payments[3].id))
        assert list(after) == [payments[2]]


class TestInbox:
    async def test_an_event_is_new_once(self, storage: Storage) -> None:
        assert await storage.write(lambda uow: uow.payments.first_sight(Provider.STRIPE, "evt_1", NOW)) is True
        assert await storage.write(lambda uow: uow.payments.first_sight(Provider.STRIPE, "evt_1", NOW)) is False
        assert await storage.write(lambda uow: uow.payments.first_sight(Provider.STRIPE, "evt_2", NOW)) is True

    async def test_an_event_whose_unit_of_work_failed_is_new_again(self, storage: Storage) -> None:
        with pytest.raises(NotFound):
            await storage.write(
                lambda uow: (
                    uow.payments.first_sight(Provider.STRIPE, "evt_1", NOW),
                    uow.payments.get(PaymentId(new_id())),
                )
            )
        assert await storage.write(lambda uow: uow.payments.first_sight(Provider.STRIPE, "evt_1", NOW)) is True

    async def test_many_are_looked_up_at_once(self, storage: Storage) -> None:
        await storage.write(lambda uow: [uow.payments.first_sight(Provider.STRIPE, f"evt_{n}", NOW) for n in range(3)])
        asked = [f"evt_{n}" for n in range(200)] + ['"', "'"]
        unseen = await storage.read(lambda uow: uow.payments.unseen(Provider.STRIPE, asked))
        assert unseen == set(asked) - {"evt_0", "evt_1", "evt_2"}
        assert await storage.read(lambda uow: uow.payments.unseen(Provider.STRIPE, [])) == set()


class TestAsking:
    async def test_nobody_was_asked_yet(self, storage: Storage) -> None:
        assert await storage.read(lambda uow: uow.payments.asked_until(Provider.STRIPE)) is None

    async def test_the_last_time_is_remembered(self, storage: Storage) -> None:
        for hours in (1, 5, 2):
            until = NOW + timedelta(hours=hours)
            await storage.write(lambda uow, until=until: uow.payments.asked(Provider.STRIPE, until))  # type: ignore[misc]
            assert await storage.read(lambda uow: uow.payments.asked_until(Provider.STRIPE)) == until
