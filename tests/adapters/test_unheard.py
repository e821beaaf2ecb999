"""An answer that is lost on its way: what was asked for has been done."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from tests.waiting import PATIENCE

from veilbot_adapters.failing import ArmedFailpoints
from veilbot_adapters.memory import MemoryVpn
from veilbot_adapters.unheard import UnheardVpn
from veilbot_core.domain.errors import Unknown
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.ports.vpn import Endpoint, KeySpec

SERVER = ServerId(UUID(int=1))
ENDPOINT = Endpoint(server_id=SERVER, settings={"api": "here"})
KEY = KeySpec(id=KeyId(UUID(int=2)), name="key", limit=None)
CALLS: dict[str, Callable[[UnheardVpn], Awaitable[object]]] = {
    "issue": lambda vpn: vpn.issue(ENDPOINT, KEY),
    "restore": lambda vpn: vpn.restore(ENDPOINT, [KEY]),
    "revoke": lambda vpn: vpn.revoke(ENDPOINT, KEY.id),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(("action", "error"), [("error", Unknown), ("hang", TimeoutError)])
async def test_the_server_has_done_it(name: str, action: str, error: type[Exception]) -> None:
    servers = MemoryVpn()
    if name == "revoke":
        await servers.issue(ENDPOINT, KEY)
    vpn = UnheardVpn(servers, ArmedFailpoints(f"C8:{action}"))
    with pytest.raises(error):
        async with asyncio.timeout(0.05 if action == "hang" else PATIENCE):
            await CALLS[name](vpn)
    assert (str(KEY.id) in servers.servers[SERVER].keys) is (name != "revoke")
    await CALLS[name](vpn)


async def test_questions_pass_no_point() -> None:
    vpn = UnheardVpn(MemoryVpn(), ArmedFailpoints("C8:error"))
    await vpn.probe(ENDPOINT)
    assert await vpn.list(ENDPOINT) == {}
    assert (await vpn.usage(ENDPOINT)).bytes_by_key == {}
    assert vpn.settings({"api": "here"}) == {"api": "here"}
    await vpn.close()  # nothing is open behind it
