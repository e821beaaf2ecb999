"""One tariff, two protocols: Outline beside V2Ray, through real processes and a server that forgets everybody."""

import base64
from pathlib import Path

import pytest
from tests.journeys.world import Customer, World, eventually

from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.services.fleet import Draft
from veilbot_runners.container import open_application
from veilbot_runners.settings import load

CORE = "Frankfurt 3"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}"


@pytest.fixture
async def shop(world: World) -> World:
    """An open shop with a V2Ray server in Germany, and a tariff of both protocols."""
    settings = load(
        env_file=None,
        database_url=world.environment["VEILBOT_DATABASE_URL"],
        encryption_keys=(world.made.encryption_key,),
        allow_private_servers=True,
    )
    async with open_application(settings) as shop:
        both = (Protocol.OUTLINE, Protocol.V2RAY)
        await shop.catalog.add(Terms(name="Season", days=90, protocols=both), {"USD": 1299})
        given = {"api": world.sandbox.v2ray.servers[CORE].api, "inbound": "in", "address": "127.0.0.1", "port": "443"}
        await shop.fleet.add(Draft(name=CORE, protocol=Protocol.V2RAY, country="DE", endpoint=given))
    world.start("run")
    await world.ready()
    return world


def there(world: World) -> list[str]:
    return [user.email for user in world.sandbox.v2ray.servers[CORE].state.users["in"]]


async def test_two_keys_behind_one_link_and_a_server_that_has_everybody_back(shop: World) -> None:
    customer = Customer(world=shop, chat=1)
    await customer.pay(await customer.checkout(tariff="Season", country=None))
    link = await customer.hears(r"http://127\.0\.0\.1:\d+/s/[\w-]+")
    shown = base64.b64decode((await shop.http.get(link)).text).decode().split()
    assert {url.partition("://")[0] for url in shown} == {"ss", "vless"}
    before = there(shop)
    assert len(before) == len(shop.keys()) == 1
    keys = await shop.http.get(f"{shop.base}/sandbox/v2ray/{CORE}/keys")
    assert [row["email"] for row in keys.json()["items"]] == before

    await shop.http.post(f"{shop.base}/sandbox/v2ray/{CORE}/restart")
    assert there(shop) == []
    done = await shop.command("reconcile")
    assert done.returncode == 0, done.stderr

    async def back() -> bool:
        return there(shop) == before

    await eventually("the key to be back", back)
