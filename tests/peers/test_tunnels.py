"""A customer's app opens a page through an issued key, on every protocol that each core offers."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from tests.peers.client import app
from tests.peers.served import served
from tests.peers.test_restarts import work
from tests.peers.ways import WAYS, Way
from tests.waiting import PATIENCE

from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_core.application import Application
from veilbot_core.domain.ids import KeyId
from veilbot_core.domain.key import Key
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.domain.user import Language
from veilbot_core.ports.vpn import KeySpec, Unlisted
from veilbot_core.services.fleet import Draft
from veilbot_runners.container import Container


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_a_key_opens_the_page_until_it_is_revoked(way: Way, vpn: V2RayProtocol, tmp_path: Path) -> None:
    key = KeySpec(id=KeyId(uuid4()), name="Frankfurt 1 / 100 % & more", limit=None)
    async with served(way, vpn, tmp_path) as server:
        core, endpoint = server.core, server.endpoint
        url = await vpn.issue(endpoint, key)
        async with app(url, way.client or way.server, tmp_path, site=server.site, pin=server.pin) as phone:
            assert await phone.eventually_reads(), core.log() + phone.log()
            assert (await vpn.usage(endpoint)).bytes_by_key[str(key.id)] > 0
            found = await vpn.list(endpoint)
            assert isinstance(found, Unlisted) if way.server == "v2ray" else str(key.id) in found  # type: ignore[operator]

            await vpn.revoke(endpoint, key.id)
            await vpn.revoke(endpoint, key.id)
            assert not await phone.reads()
            assert await vpn.issue(endpoint, key) == url
            assert await phone.eventually_reads(), core.log() + phone.log()
            assert core.alive


async def sold(shop: Application, server: Server) -> Key:
    """Sell a key on a server, and have it made."""
    user = await shop.users.add("Ann", None, Language.EN)
    tariff = await shop.catalog.add(Terms(name="Month", days=30, protocols=(Protocol.V2RAY,)), {"USD": 499})
    request = uuid4()
    subscription = await shop.subscriptions.give(user.id, tariff.id, days=30, country=None, request=request)
    async with asyncio.timeout(PATIENCE):
        while True:
            await work(shop)
            (key,) = await shop.storage.read(lambda uow: uow.keys.of_subscriptions([subscription.id]))
            if key.access_url is not None:
                break
            await asyncio.sleep(0.1)
    assert key.server_id == server.id
    return key


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_after_a_restart_of_the_core_the_reconciler_brings_the_customer_back(
    way: Way, container: Container, vpn: V2RayProtocol, tmp_path: Path
) -> None:
    shop = container.application()
    async with served(way, vpn, tmp_path) as real:
        draft = Draft(name="Frankfurt", protocol=Protocol.V2RAY, country="DE", endpoint=real.given, capacity=10)
        server = await shop.fleet.add(draft)
        key = await sold(shop, server)
        assert key.access_url is not None
        url = container.secrets().open(key.access_url, key.id)
        async with app(url, way.client or way.server, tmp_path, site=real.site, pin=real.pin) as phone:
            assert await phone.eventually_reads(), real.core.log() + phone.log()
            await real.core.restart()
            assert not await phone.reads()
            report = await shop.provisioning.reconcile(server.id)
            assert list(report.missing) == [key.id]
            assert await phone.eventually_reads(), real.core.log() + phone.log()
            assert real.core.alive
