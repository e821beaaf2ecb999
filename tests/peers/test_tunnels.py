"""A customer's app opens a page through an issued key, on every protocol that each core offers."""

from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from tests.peers.certificates import certificate
from tests.peers.client import app
from tests.peers.cores import Core, ended, free_port, inbound, page, server_config
from tests.peers.ways import WAYS, Way, reality_pair, stream

from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.ports.vpn import Endpoint, KeySpec, Unlisted


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_a_key_opens_the_page_until_it_is_revoked_and_again_after_a_restart(
    way: Way, vpn: V2RayProtocol, tmp_path: Path
) -> None:
    api, port = free_port(), free_port()
    own = certificate("inbound")
    private, public = reality_pair()
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(page())
        borrowed = await stack.enter_async_context(page(own))
        door = inbound(way.server, way.proxy, port, stream=stream(way, own, private, borrowed, tmp_path))
        core = Core(flavour=way.server, config=server_config(way.server, api, door), folder=tmp_path, listens=api)
        stack.enter_context(ended(core))
        await core.up()
        reality = {"public_key": public} if way.options.get("security") == "reality" else {}
        given = {"api": f"127.0.0.1:{api}", "inbound": "in", "address": "127.0.0.1", "port": str(port)}
        kept = vpn.settings({**given, "proxy": way.proxy, **way.options, **reality})
        endpoint = Endpoint(server_id=ServerId(UUID(int=1)), settings=kept)
        key = KeySpec(id=KeyId(uuid4()), name="Frankfurt 1 / 100 % & more", limit=None)

        url = await vpn.issue(endpoint, key)
        phone = await stack.enter_async_context(app(url, way.client or way.server, tmp_path, site=site, pin=own.sha256))
        assert await phone.reads(), core.log() + phone.log()
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
