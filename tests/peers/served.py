"""A real server with one inbound of some way, and a page behind it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from tests.peers.certificates import certificate
from tests.peers.cores import Core, ended, free_port, inbound, page, server_config
from tests.peers.ways import Way, reality_pair, stream

from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_core.domain.ids import ServerId
from veilbot_core.ports.vpn import Endpoint


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a test has of it."""

    core: Core
    given: Mapping[str, str]
    """What an operator says about it."""
    endpoint: Endpoint
    site: int
    """The page's port."""
    pin: str
    """SHA-256 of the inbound's certificate."""


@asynccontextmanager
async def served(way: Way, vpn: V2RayProtocol, folder: Path) -> AsyncIterator[Served]:
    """Start it, and describe it to the adapter as an operator would."""
    own = certificate("inbound")
    private, public = reality_pair()
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(page())
        borrowed = await stack.enter_async_context(page(own))
        api, port = free_port(), free_port()
        door = inbound(way.server, way.proxy, port, stream=stream(way, own, private, borrowed, folder))
        core = Core(flavour=way.server, config=server_config(way.server, api, door), folder=folder, listens=api)
        stack.enter_context(ended(core))
        await core.up()
        reality = {"public_key": public} if way.options.get("security") == "reality" else {}
        given = {"api": f"127.0.0.1:{api}", "inbound": "in", "address": "127.0.0.1", "port": str(port)}
        given |= {"proxy": way.proxy, **way.options, **reality}
        endpoint = Endpoint(server_id=ServerId(UUID(int=1)), settings=vpn.settings(given))
        yield Served(core=core, given=given, endpoint=endpoint, site=site, pin=own.sha256)
