"""An order only moves forward."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.contracts.storage.things import HOUR, NOW, a_tariff, a_user, an_order, new_id

from veilbot_core.domain.errors import InvalidTransition
from veilbot_core.domain.ids import SubscriptionId
from veilbot_core.domain.order import Hold, Order, OrderStatus

S = OrderStatus
ALLOWED = {
    (S.PENDING, S.PAID),
    (S.PENDING, S.CANCELED),
    (S.PENDING, S.HELD),
    (S.CANCELED, S.PAID),
    (S.CANCELED, S.HELD),
    (S.PAID, S.FULFILLED),
    (S.PAID, S.HELD),
    (S.PAID, S.REFUNDED),
    (S.HELD, S.PAID),
    (S.HELD, S.REFUNDED),
    (S.FULFILLED, S.REFUNDED),
}
STEPS: dict[OrderStatus, Callable[[Order], Order]] = {
    S.PAID: lambda order: order.pay(NOW + HOUR),
    S.FULFILLED: lambda order: order.fulfil(NOW + HOUR),
    S.CANCELED: lambda order: order.cancel(NOW + HOUR),
    S.HELD: lambda order: order.hold(Hold.MONEY, "why"),
    S.REFUNDED: lambda order: order.refund(NOW + HOUR),
}


def an(status: OrderStatus) -> Order:
    return an_order(a_user(), a_tariff(), status=status, note="before", closed_at=NOW)


class TestTransitions:
    @pytest.mark.parametrize("goal", list(STEPS))
    @pytest.mark.parametrize("start", list(S))
    def test_every_pair_of_states(self, start: OrderStatus, goal: OrderStatus) -> None:
        order = an(start)
        if (start, goal) in ALLOWED:
            assert STEPS[goal](order).status is goal
        else:
            with pytest.raises(InvalidTransition) as refusal:
                STEPS[goal](order)
            assert str(start) in refusal.value.message
            assert str(goal) in refusal.value.message
        assert order == an_order_like(order)

    def test_nothing_leads_back_to_pending(self) -> None:
        assert S.PENDING not in STEPS

    def test_paying_opens_a_closed_order_again(self) -> None:
        paid = an(S.CANCELED).pay(NOW + HOUR)
        assert (paid.paid_at, paid.closed_at, paid.note) == (NOW + HOUR, None, "")

    @pytest.mark.parametrize("goal", [S.FULFILLED, S.REFUNDED])
    def test_the_end_is_dated(self, goal: OrderStatus) -> None:
        assert STEPS[goal](an(S.PAID)).closed_at == NOW + HOUR

    def test_canceling_is_dated_and_holding_says_why(self) -> None:
        assert an(S.PENDING).cancel(NOW + HOUR).closed_at == NOW + HOUR
        assert an(S.PENDING).hold(Hold.MONEY, "too little").note == "too little"

    @pytest.mark.parametrize("status", list(S))
    def test_money_is_welcome_before_and_after_the_end_of_the_offer(self, status: OrderStatus) -> None:
        assert an(status).payable is (status in {S.PENDING, S.CANCELED})

    def test_the_page_and_the_subscription_are_remembered(self) -> None:
        subscription_id = SubscriptionId(new_id())
        order = an(S.PENDING).offer("cs_1", "https://pay.example/1").serve(subscription_id)
        assert (order.checkout_id, order.checkout_url) == ("cs_1", "https://pay.example/1")
        assert order.subscription_id == subscription_id
        assert order.expires_at - order.created_at == timedelta(hours=1)


def an_order_like(order: Order) -> Order:
    """Make the same order again, to see that a step did not change the one that it began with."""
    return an_order(
        a_user(id=order.user_id),
        a_tariff(id=order.tariff_id),
        id=order.id,
        status=order.status,
        note="before",
        closed_at=NOW,
    )
