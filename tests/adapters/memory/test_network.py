"""What the memory adapters that stand for a network share."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest

from veilbot_adapters.memory import (
    MemoryBus,
    MemoryClock,
    MemoryDoorbell,
    MemoryGateway,
    MemoryNotifier,
    MemoryStorage,
    MemoryVpn,
    inside_unit_of_work,
)
from veilbot_adapters.memory.network import Network
from veilbot_core.domain.errors import NetworkInsideTransaction, Rejected, Unavailable, Unknown
from veilbot_core.domain.ids import KeyId, OrderId, ServerId, TariffId, UserId
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.tariff import Terms
from veilbot_core.domain.user import Language, User
from veilbot_core.ports.notifier import Alert, Message, Notice
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.ports.vpn import Endpoint, KeySpec

CLOCK = MemoryClock()
ENDPOINT = Endpoint(server_id=ServerId(UUID(int=1)), settings={})
KEY = KeySpec(id=KeyId(UUID(int=2)), name="Amsterdam", limit=None)
USER = User(id=UserId(UUID(int=3)), telegram_id=7, name="Ann", language=Language.EN, created_at=CLOCK.now())
MESSAGE = Message(notice=Notice.PAID, language=Language.EN)
ORDER = Order(
    id=OrderId(UUID(int=4)),
    user_id=USER.id,
    tariff_id=TariffId(UUID(int=5)),
    terms=Terms(name="Month", days=30),
    price=Money(amount=499, currency="USD"),
    provider=Provider.STRIPE,
    created_at=CLOCK.now(),
    expires_at=CLOCK.now() + timedelta(hours=1),
)

Call = Callable[[], Awaitable[object]]


def calls() -> dict[str, tuple[Network, Call]]:
    """Return every method of every memory adapter that goes out."""
    vpn, gateway, notifier, bus = MemoryVpn(), MemoryGateway(CLOCK), MemoryNotifier(), MemoryBus()
    return {
        "issue": (vpn, lambda: vpn.issue(ENDPOINT, KEY)),
        "revoke": (vpn, lambda: vpn.revoke(ENDPOINT, KEY.id)),
        "list": (vpn, lambda: vpn.list(ENDPOINT)),
        "usage": (vpn, lambda: vpn.usage(ENDPOINT)),
        "probe": (vpn, lambda: vpn.probe(ENDPOINT)),
        "open_checkout": (gateway, lambda: gateway.open_checkout(ORDER)),
        "fetch": (gateway, lambda: gateway.fetch(ORDER)),
        "refund": (gateway, lambda: gateway.refund(ORDER, "ch_1", ORDER.price, attempt="1")),
        "tell": (notifier, lambda: notifier.tell(USER, MESSAGE)),
        "alert": (notifier, lambda: notifier.alert(Alert(code="order.held", subject=ORDER.id))),
        "publish": (bus, lambda: bus.publish([])),
    }


@pytest.fixture(params=list(calls()))
def outward(request: pytest.FixtureRequest) -> tuple[str, Network, Call]:
    return (request.param, *calls()[request.param])


async def test_a_task_from_inside_a_unit_of_work_may_not_go_out(outward: tuple[str, Network, Call]) -> None:
    name, adapter, call = outward
    storage = MemoryStorage(MemoryDoorbell(), CLOCK)
    async with asyncio.TaskGroup() as group:

        async def go_out() -> None:
            with pytest.raises(NetworkInsideTransaction, match=rf"\.{name} "):
                await call()

        def work(_: UnitOfWork) -> asyncio.Task[None]:
            return group.create_task(go_out())

        await storage.write(work)
        await storage.read(work)
    assert adapter.calls[name] == 2


async def test_the_mark_is_gone_after_a_unit_of_work_even_a_failed_one() -> None:
    storage = MemoryStorage(MemoryDoorbell(), CLOCK)
    assert await storage.write(lambda _: inside_unit_of_work.get())
    assert not inside_unit_of_work.get()
    with pytest.raises(ZeroDivisionError):
        await storage.write(lambda _: 1 // 0)
    assert not inside_unit_of_work.get()


async def test_each_call_can_be_made_to_fail(outward: tuple[str, Network, Call]) -> None:
    name, adapter, call = outward
    adapter.fail_next(Unavailable("now"), on=name)
    with pytest.raises(Unavailable, match="now"):
        await call()


async def test_each_call_can_be_made_to_hang(outward: tuple[str, Network, Call]) -> None:
    _, adapter, call = outward
    adapter.hang_next()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await call()


async def test_a_call_can_take_effect_and_fail() -> None:
    vpn = MemoryVpn()
    vpn.apply_then_fail()
    with pytest.raises(Unknown):
        await vpn.issue(ENDPOINT, KEY)
    assert set(vpn.servers[ENDPOINT.server_id].keys) == {str(KEY.id)}
    vpn.apply_then_fail(Unavailable("gone"), on="revoke")
    assert await vpn.list(ENDPOINT)
    with pytest.raises(Unavailable, match="gone"):
        await vpn.revoke(ENDPOINT, KEY.id)
    assert not await vpn.list(ENDPOINT)


async def test_switches_work_in_order_and_once() -> None:
    vpn = MemoryVpn()
    vpn.fail_next(Rejected(), on="issue")
    vpn.fail_next(Unavailable(), times=2)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await vpn.probe(ENDPOINT)
    await vpn.probe(ENDPOINT)
    with pytest.raises(Rejected):
        await vpn.issue(ENDPOINT, KEY)
    await vpn.issue(ENDPOINT, KEY)


async def test_a_simulator_decides_who_goes_on() -> None:
    paused = []

    async def pause() -> None:
        paused.append(True)

    await MemoryVpn(pause=pause).probe(ENDPOINT)
    await MemoryStorage(MemoryDoorbell(), CLOCK, pause=pause).write(lambda _: None)
    assert len(paused) == 3
