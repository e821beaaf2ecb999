"""What memory servers promise beyond the contract of VPN protocols."""

from uuid import UUID

import pytest

from veilbot_adapters.memory import MemoryVpn
from veilbot_core.domain.errors import InvalidInput, Unavailable
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.domain.tariff import Protocol
from veilbot_core.ports.vpn import Endpoint, KeySpec, Metering, RemoteKey, VpnProtocol

HERE, THERE = (Endpoint(server_id=ServerId(UUID(int=n)), settings={}) for n in (1, 2))
KEY = KeySpec(id=KeyId(UUID(int=9)), name="Amsterdam", limit=5)


@pytest.fixture
def vpn() -> MemoryVpn:
    return MemoryVpn(Protocol.V2RAY)


async def test_it_is_a_protocol(vpn: MemoryVpn) -> None:
    assert isinstance(vpn, VpnProtocol)


async def test_a_key_has_one_url_per_server(vpn: MemoryVpn) -> None:
    url = await vpn.issue(HERE, KEY)
    assert url == await vpn.issue(HERE, KEY) == vpn.url(HERE.server_id, KEY.id)
    assert url.startswith("mem://v2ray/")
    assert url != await vpn.issue(THERE, KEY)
    assert vpn.servers[HERE.server_id].keys == {str(KEY.id): RemoteKey(id=str(KEY.id), limit=5)}
    assert vpn.calls["issue"] == 3


async def test_one_server_can_be_down(vpn: MemoryVpn) -> None:
    await vpn.issue(HERE, KEY)
    vpn.down(HERE.server_id)
    with pytest.raises(Unavailable):
        await vpn.probe(HERE)
    await vpn.probe(THERE)
    vpn.up(HERE.server_id)
    assert await vpn.list(HERE)


async def test_a_restart_loses_users_and_counters(vpn: MemoryVpn) -> None:
    await vpn.issue(HERE, KEY)
    vpn.traffic(HERE.server_id, KEY.id, 100)
    vpn.traffic(HERE.server_id, KEY.id, 20)
    assert (await vpn.usage(HERE)).bytes_by_key == {str(KEY.id): 120}
    vpn.restart(HERE.server_id)
    assert await vpn.list(HERE) == {}
    assert (await vpn.usage(HERE)).bytes_by_key == {}


async def test_without_a_key_nothing_moves(vpn: MemoryVpn) -> None:
    vpn.traffic(HERE.server_id, KEY.id, 100)
    usage = await MemoryVpn(metering=Metering.WINDOW).usage(HERE)
    assert (usage.metering, usage.bytes_by_key) == (Metering.WINDOW, {})
    assert (await vpn.usage(HERE)).bytes_by_key == {}


async def test_revoking_twice_is_revoking_once(vpn: MemoryVpn) -> None:
    await vpn.issue(HERE, KEY)
    await vpn.revoke(HERE, KEY.id)
    await vpn.revoke(HERE, KEY.id)
    assert await vpn.list(HERE) == {}


def test_settings_are_kept_if_they_say_anything(vpn: MemoryVpn) -> None:
    assert vpn.settings({"address": " mem "}) == {"address": "mem"}
    with pytest.raises(InvalidInput) as refusal:
        vpn.settings({})
    assert refusal.value.field == "address"
    with pytest.raises(InvalidInput) as refusal:
        vpn.settings({"address": "mem", "secret": " "})
    assert refusal.value.field == "secret"
