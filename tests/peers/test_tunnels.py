"""A customer's app opens a page through an issued key, on every protocol that each core offers."""

from pathlib import Path
from uuid import uuid4

import pytest
from tests.peers.client import app
from tests.peers.served import served
from tests.peers.ways import WAYS, Way

from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_core.domain.ids import KeyId
from veilbot_core.ports.vpn import KeySpec, Unlisted


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_a_key_opens_the_page_until_it_is_revoked_and_again_after_a_restart(
    way: Way, vpn: V2RayProtocol, tmp_path: Path
) -> None:
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
            assert await phone.eventually_reads()

            await core.restart()
            assert not await phone.reads()
            assert await vpn.restore(endpoint, [key]) == {key.id: url}
            assert await phone.eventually_reads()
            assert core.alive
