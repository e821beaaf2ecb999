"""Processes that die for real in the middle of a purchase; the next one goes on, and one key comes out."""

import asyncio
import signal

import pytest
from tests.journeys.world import PATIENCE, Customer, World

KEY = r"ss://[^\s<]+"
ON_SQLITE = ["C0", "C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10", "C11", "C12"]
ON_POSTGRES = ["C2", "C3", "C7", "C9", "C11"]
CASES = [("sqlite", point) for point in ON_SQLITE] + [("postgres", point) for point in ON_POSTGRES]


FACTS = {"C4", "C5"}
"""Any fact passes these points, so the process may die as soon as it starts; Stripe's webhook comes again."""


@pytest.mark.parametrize(("database_url", "point"), CASES, indirect=["database_url"])
async def test_killed_anywhere_in_a_purchase_one_key_comes_out(world: World, point: str) -> None:
    doomed = world.start("run", VEILBOT_FAILPOINT="" if point in FACTS else f"{point}:kill")
    await world.ready()
    customer = Customer(world=world, chat=9)
    session = await customer.checkout()
    if point in FACTS:
        await world.stop(doomed)
        doomed = world.start("run", VEILBOT_FAILPOINT=f"{point}:kill")
    await customer.pay(session)
    assert await asyncio.to_thread(doomed.wait, PATIENCE) == -signal.SIGKILL
    world.start("run")
    await customer.hears(KEY)
    assert len(world.keys()) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_sigterm_ends_it_cleanly(world: World) -> None:
    process = world.start("run")
    await world.ready()
    assert await world.stop(process) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_parts_run_as_processes_of_their_own(world: World) -> None:
    for part in ("api", "bot", "worker"):
        world.start(part)
    await world.ready()
    customer = Customer(world=world, chat=10)
    await customer.pay(await customer.checkout())
    await customer.hears(KEY)
    assert [await world.stop(process) for process in world.processes] == [0, 0, 0]
