"""Bringing many users back: one call for many of them, and further attempts where those of every call are decided."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest
from google.protobuf.message import Message
from tests.adapters.vpn.test_v2ray import reach

from veilbot_adapters.memory.clock import MemoryClock
from veilbot_adapters.memory.ids import MemoryIds
from veilbot_adapters.resilience import Guards, Limits
from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_core.domain.errors import Unknown
from veilbot_core.domain.ids import KeyId
from veilbot_core.ports.vpn import KeySpec
from veilbot_runners.sandbox.v2ray_server import V2RayServer
from veilbot_runners.sandbox.v2ray_state import Crash, V2RayState

KEYS = [KeySpec(id=KeyId(UUID(int=number)), name="key", limit=None) for number in range(1, 201)]


@dataclass(slots=True, kw_only=True)
class Dropping(V2RayState):
    """A core behind something that drops some of the users that are sent."""

    drops: Callable[[int], bool]
    looks: int = 0
    adds: int = 0

    def answer(self, method: str, content: bytes) -> Message:
        self.looks += b"nobody@veilbot" in content
        if b"AddUserOperation" in content:
            self.adds += 1
            if self.drops(self.adds):
                raise Crash
        return super(Dropping, self).answer(method, content)

    def restart(self) -> None:
        """Keep the users: it is not the core that dies."""
        if not self.users:
            super(Dropping, self).restart()


class Hasty(MemoryClock):
    """Pauses are over at once, and each look at the clock may take its time."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self.each = 0.0

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def monotonic(self) -> float:
        self._elapsed += self.each
        return self._elapsed


@asynccontextmanager
async def met(state: V2RayState, limits: Limits) -> AsyncIterator[tuple[V2RayProtocol, V2RayServer, Hasty]]:
    server, clock = V2RayServer("one", state=state), Hasty()
    await server.start()
    ids = MemoryIds(clock)
    vpn = V2RayProtocol(Guards(clock, ids, limits), clock, ids, allow_private=True)
    yield vpn, server, clock
    await vpn.close()
    await server.stop()


async def test_what_a_proxy_drops_now_and_then_is_sent_again() -> None:
    state = Dropping(inbounds={"vless": "vless"}, drops=lambda number: number % 90 == 0)
    async with met(state, Limits()) as (vpn, server, _):
        assert set(await vpn.restore(reach(vpn, server.api), KEYS)) == {key.id for key in KEYS}
    assert len(state.users["vless"]) == 200
    assert state.looks < 10


@pytest.mark.parametrize("attempts", [1, 2, 3])
async def test_a_restore_is_tried_as_often_as_any_call_and_after_a_pause(attempts: int) -> None:
    state = Dropping(inbounds={"vless": "vless"}, drops=lambda _: True)
    async with met(state, Limits(attempts=attempts)) as (vpn, server, clock):
        with pytest.raises(Unknown):
            await vpn.restore(reach(vpn, server.api), KEYS)
        assert len([pause for pause in clock.pauses if pause > 0]) == attempts - 1
    assert state.looks == attempts
    assert state.adds <= attempts * 64


async def test_the_budget_of_further_attempts_is_that_of_all_calls() -> None:
    state = Dropping(inbounds={"vless": "vless"}, drops=lambda number: number % 30 == 0)
    async with met(state, Limits(reserve=1, retries=0)) as (vpn, server, _):
        back = await vpn.restore(reach(vpn, server.api), KEYS)
    assert 64 <= len(back) < 200
    assert {str(key_id) for key_id in back} <= {user.email.partition("@")[0] for user in state.users["vless"]}


async def test_after_a_while_a_restore_leaves_the_rest_to_the_next_one() -> None:
    state = V2RayState(inbounds={"vless": "vless"})
    async with met(state, Limits()) as (vpn, server, clock):
        clock.each = 30.0
        assert len(await vpn.restore(reach(vpn, server.api), KEYS)) == 64
