"""What the memory provider promises beyond the contract of gateways."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from veilbot_adapters.memory import MemoryClock, MemoryGateway, MemoryIds
from veilbot_core.domain.errors import InvalidSignature, MalformedEvent, NotFound, Rejected
from veilbot_core.domain.ids import OrderId, TariffId, UserId
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Happening, PaymentEvent, Provider
from veilbot_core.domain.tariff import Terms


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


@pytest.fixture
def gateway(clock: MemoryClock) -> MemoryGateway:
    return MemoryGateway(clock)


@pytest.fixture
async def order(clock: MemoryClock, gateway: MemoryGateway) -> Order:
    ids = MemoryIds(clock)
    made = Order(
        id=OrderId(ids.new()),
        user_id=UserId(ids.new()),
        tariff_id=TariffId(ids.new()),
        terms=Terms(name="Month", days=30),
        price=Money(amount=499, currency="USD"),
        provider=Provider.STRIPE,
        created_at=clock.now(),
        expires_at=clock.now() + timedelta(hours=1),
    )
    page = await gateway.open_checkout(made)
    return made.offer(page.checkout_id, page.url)


def read(gateway: MemoryGateway, webhook: tuple[bytes, object]) -> PaymentEvent:
    event = gateway.parse_webhook(webhook[0], webhook[1])  # type: ignore[arg-type]
    assert event is not None
    return event


async def test_paying_again_is_the_same_event_in_a_new_delivery(
    gateway: MemoryGateway, order: Order, clock: MemoryClock
) -> None:
    first = gateway.pay(order.id)
    await clock.advance(60)
    second = gateway.pay(order.id)
    assert read(gateway, first) == read(gateway, second)
    assert first[1] != second[1]
    assert len(gateway.charges) == 1


async def test_a_customer_can_be_charged_twice_if_a_test_wants_it(gateway: MemoryGateway, order: Order) -> None:
    first = read(gateway, gateway.pay(order.id))
    second = read(gateway, gateway.pay(order.id, again=True))
    assert first.external_id != second.external_id
    assert len(gateway.charges) == 2


async def test_a_page_dies_with_its_order_and_late_money_still_comes(
    gateway: MemoryGateway, order: Order, clock: MemoryClock
) -> None:
    await clock.advance(3600)
    fetched = await gateway.fetch(order)
    assert fetched is not None
    assert fetched.happening is Happening.EXPIRED
    assert read(gateway, gateway.pay(order.id)).happening is Happening.CHARGED
    fetched = await gateway.fetch(order)
    assert fetched is not None
    assert fetched.happening is Happening.CHARGED


async def test_a_page_cannot_be_made_for_a_dead_order(gateway: MemoryGateway, order: Order, clock: MemoryClock) -> None:
    with pytest.raises(Rejected):
        await gateway.open_checkout(replace(order, id=OrderId(UUID(int=1)), expires_at=clock.now()))


async def test_a_failed_try_names_the_page(gateway: MemoryGateway, order: Order) -> None:
    event = read(gateway, gateway.fail(order.id))
    assert (event.happening, event.external_id) == (Happening.FAILED, order.checkout_id)


async def test_only_what_exists_can_be_paid_or_disputed(gateway: MemoryGateway, order: Order) -> None:
    with pytest.raises(NotFound):
        gateway.pay(OrderId(UUID(int=1)))
    with pytest.raises(NotFound):
        gateway.dispute(order.id)


async def test_a_refund_in_another_currency_is_refused(gateway: MemoryGateway, order: Order) -> None:
    charge = read(gateway, gateway.pay(order.id)).external_id
    with pytest.raises(Rejected):
        await gateway.refund(order, charge, Money(amount=1, currency="EUR"), attempt="1")


async def test_any_event_can_be_delivered(gateway: MemoryGateway, order: Order) -> None:
    """One that names no order, for instance."""
    event = replace(read(gateway, gateway.pay(order.id)), order_id=None)
    assert read(gateway, gateway.deliver(event)) == event


@pytest.mark.parametrize(
    "header", ["", ",", "1,2", "x" * 70, "\N{SNOWMAN},\N{SNOWMAN}", "1" * 5000 + ",aa", "-1,00", "²,00"]
)
async def test_a_nonsense_signature_is_refused(gateway: MemoryGateway, order: Order, header: str) -> None:
    body, _ = gateway.pay(order.id)
    with pytest.raises(InvalidSignature):
        gateway.parse_webhook(body, {"memory-signature": header})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"amount": 499', b'"amount": 4.99'),
        (b'"amount": 499', b'"amount": "499"'),
        (b'"USD"', b'"usd"'),
        (b'"USD"', b"null"),
        (b"+00:00", b""),
        (b'"at": "2', b'"at": "x'),
        (b'"id": "evt', b'"id": ["evt'),
        (b'"order": "', b'"order": "no'),
        (b'"external_id"', b'"other_id"'),
    ],
)
async def test_a_signed_event_that_makes_no_sense_is_malformed(
    gateway: MemoryGateway, order: Order, old: bytes, new: bytes
) -> None:
    body, _ = gateway.pay(order.id)
    assert old in body
    with pytest.raises(MalformedEvent):
        gateway.parse_webhook(*gateway.sign(body.replace(old, new)))


def test_text_that_is_no_text_is_malformed(gateway: MemoryGateway) -> None:
    for body in (b'{"happening": "charged", "id": ""}', b'{"happening": 5}', b"\xff\xfe"):
        with pytest.raises(MalformedEvent):
            gateway.parse_webhook(*gateway.sign(body))
