"""A POST under an idempotency key happens once, wherever the shop fails between what it changes and its answer."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest
from tests.runners.api.world import ENDPOINT, World, open_world

from veilbot_adapters import memory
from veilbot_core.domain.errors import Unavailable
from veilbot_core.ports.storage import UnitOfWork

T = TypeVar("T")
ONCE = {"Idempotency-Key": "only-once"}
SERVER = {"name": "A", "protocol": "outline", "country": "NL", "endpoint": ENDPOINT}
MADE: dict[str, dict[str, Any]] = {
    "/api/v1/users": {"name": "Ann"},
    "/api/v1/billing/tariffs": {"name": "Month", "days": 30, "prices": {"USD": 499}},
    "/api/v1/vpn/servers": SERVER,
    "/api/v1/admin/api-keys": {"name": "tool", "scopes": ["users:read"]},
}


class Shaky(memory.MemoryStorage):
    """Fails at chosen writes, counted from now: the first opens a request, the second is what it changes."""

    unheard: int | None = None
    dead_from: int | None = None

    async def write(self, work: Callable[[UnitOfWork], T]) -> T:
        self.unheard, unheard = _less(self.unheard)
        self.dead_from, dead = _less(self.dead_from)
        if dead:
            self.dead_from = 1
            raise Unavailable("the process is dead")
        if unheard:
            self.commit_then_fail()
        return await super().write(work)


def _less(left: int | None) -> tuple[int | None, bool]:
    return (left - 1 or None, left == 1) if left is not None else (None, False)


@pytest.fixture
def storage() -> Shaky:
    clock = memory.MemoryClock()
    return Shaky(memory.MemoryDoorbell(clock), clock)


@pytest.fixture
async def world(storage: Shaky) -> AsyncIterator[World]:
    async with open_world(storage=storage, clock=storage._clock) as opened:  # type: ignore[arg-type]
        yield opened


async def lose_the_answer(world: World, storage: Shaky, how: str, path: str, body: Any) -> None:
    """Send a request whose effect is kept and whose answer is not, as if nobody had heard it."""
    if how == "the commit is unheard":
        storage.unheard = 2
        await world.post(path, 503, json=body, headers=ONCE)
        return
    storage.dead_from = 3
    answer = await world.call("POST", path, json=body, headers=ONCE)
    assert answer.status_code in {201, 202}, "what is done is said, though it cannot be remembered"
    storage.dead_from = None
    await world.clock.advance(61)


@pytest.mark.parametrize("how", ["the commit is unheard", "the process dies"])
@pytest.mark.parametrize("path", MADE)
async def test_what_was_made_is_not_made_again(world: World, storage: Shaky, path: str, how: str) -> None:
    before = await world.everything(path, 100)
    await lose_the_answer(world, storage, how, path, MADE[path])
    again = await world.post(path, 201, json=MADE[path], headers=ONCE)
    ids = [row["id"] for row in await world.everything(path, 100) if row not in before]
    assert ids == [again.get("key", again)["id"]]
    if path.endswith("api-keys"):  # nobody was shown the first one's secret, so there is a new one
        await world.get("/api/v1/users", headers={"Authorization": f"Bearer {again['secret']}"})


@pytest.mark.parametrize("how", ["the commit is unheard", "the process dies"])
async def test_a_part_is_sent_back_once(world: World, storage: Shaky, how: str) -> None:
    subscription = await world.bought()
    [order] = (await world.get("/api/v1/billing/orders", params={"user_id": subscription["user_id"]}))["items"]
    path = f"/api/v1/billing/orders/{order['id']}/refund"
    await lose_the_answer(world, storage, how, path, {"amount": 100})
    await world.work()
    await world.post(path, 202, json={"amount": 100}, headers=ONCE)
    await world.work()
    payments = (await world.get("/api/v1/billing/payments"))["items"]
    assert [p["money"]["amount"] for p in payments if p["kind"] == "refund"] == [100]
    await world.post(path, 202, json={"amount": 100}, headers={"Idempotency-Key": "another"})
    await world.work()
    assert len([p for p in (await world.get("/api/v1/billing/payments"))["items"] if p["kind"] == "refund"]) == 2


async def test_another_request_cannot_take_over_what_was_made(world: World, storage: Shaky) -> None:
    await lose_the_answer(world, storage, "the process dies", "/api/v1/users", {"name": "Ann"})
    problem = await world.post("/api/v1/users", 400, json={"name": "Bob"}, headers=ONCE)
    assert problem["errors"][0]["field"] == "Idempotency-Key"


async def test_what_changed_nothing_can_be_asked_anew_otherwise(world: World, storage: Shaky) -> None:
    storage.dead_from = 2
    await world.post("/api/v1/users", 503, json={"name": "Ann"}, headers=ONCE)
    storage.dead_from = None
    await world.clock.advance(61)
    assert (await world.post("/api/v1/users", 201, json={"name": "Bob"}, headers=ONCE))["name"] == "Bob"
