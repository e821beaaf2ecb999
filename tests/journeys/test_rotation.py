"""The encryption key is replaced while the shop sells; afterwards the old one is not needed any more."""

import asyncio
import base64
from dataclasses import replace

import pytest
from tests.journeys.test_purchase import bought, unpaid
from tests.journeys.world import Customer, World, eventually

from veilbot_adapters.sealing import new_key
from veilbot_core.services.sealing import Sealing
from veilbot_runners.container import open_container
from veilbot_runners.settings import load

LINK = r"http://127\.0\.0\.1:\d+/s/[\w-]+"


def under(world: World, *keys: str) -> World:
    """Return the world as it is with other encryption keys; its processes are the same list."""
    return replace(world, environment={**world.environment, "VEILBOT_ENCRYPTION_KEYS": ",".join(keys)})


async def rotated(sealing: Sealing) -> int:
    """Rotate as ``veilbot rotate-keys`` does; return how many values were sealed anew."""
    found = await sealing.rotate()
    assert {tally.shut for tally in found.values()} == {0}
    return sum(tally.old for tally in found.values())


async def opens(world: World, customer: Customer, key: str) -> None:
    """Check that a customer's link still shows their key."""
    answer = await world.http.get(await customer.hears(LINK))
    assert answer.status_code == 200
    assert key in base64.b64decode(answer.text).decode()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_the_key_is_replaced_while_customers_buy(world: World) -> None:
    """The running process seals under the old key until it is replaced, as in a fleet that is restarted in turn."""
    old, new = world.made.encryption_key, new_key()
    process = under(world, old, new).start("run")
    await world.ready()
    settings = load(env_file=None, database_url=world.environment["VEILBOT_DATABASE_URL"], encryption_keys=(new, old))
    everybody = [await bought(world, 1)]
    async with open_container(settings) as container:
        sealing = container.application().sealing
        sales = asyncio.gather(*(bought(world, chat) for chat in range(2, 7)))
        assert await rotated(sealing) >= 5  # three servers, a link and a key, and what was sold by then
        passes = 1
        while not sales.done():
            await rotated(sealing)
            passes += 1
        everybody += await sales
        assert passes > 3
        assert await world.stop(process) == 0
        await rotated(sealing)
        assert await rotated(sealing) == 0

    under(world, new).start("run")
    await world.ready()
    for customer, key in everybody:
        await opens(world, customer, key)
    first, _ = everybody[0]
    await first.say("/keys")
    await first.tap("(?i)renew")
    await first.tap("Month")
    url: str = await eventually("another pay button", lambda: unpaid(first))
    await first.pay(url.rsplit("/", 1)[1])
    await first.hears("(?i)renewed|extended")
    await bought(world, 7)  # and the servers' addresses open, too
    assert len(world.keys()) == 7
