"""Weather: what comes over servers and the database for a while."""

import asyncio
from collections.abc import Callable

from veilbot_core.domain.server import Server
from veilbot_core.ports.vpn import RemoteKey
from veilbot_runners.simulation.faults import Fault
from veilbot_runners.simulation.world import World


class Weather:
    """Changes with the seed, until the trouble is over."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def over_servers(self) -> None:
        """Let servers go down for hours, hang, refuse, restart empty, and hold keys of other people."""
        world, random = self._world, self._world.random
        acts: tuple[Callable[[Server], None], ...] = (
            self._down,
            self._hang,
            self._refuse,
            self._restart,
            self._foreign,
        )
        while True:
            await asyncio.sleep(random.uniform(60, 3600))
            if world.faults.has(Fault.SERVERS):
                server = random.choice(world.servers)
                act = random.choice(acts)
                world.history.note("weather", act.__name__, server.name)
                act(server)

    async def over_database(self) -> None:
        """Let the database be away for a while."""
        world, random = self._world, self._world.random
        while True:
            await asyncio.sleep(random.uniform(300, 7200))
            if world.faults.has(Fault.STORAGE):
                world.database_away = True
                world.history.note("the database goes away")
                await asyncio.sleep(random.choice((2.0, 60.0, 600.0)) * random.random())
                world.database_away = False

    async def traffic(self) -> None:
        """Let customers use what they have; Outline's window forgets a part by itself."""
        world = self._world
        while True:
            await asyncio.sleep(world.random.uniform(300, 1200))
            for server in world.servers:
                there = world.vpn_of(server).servers[server.id]
                for name in sorted(there.keys):
                    moved = world.random.randrange(-(10**5) if server.protocol == "outline" else 0, 10**6)
                    there.counted[name] = max(0, there.counted.get(name, 0) + moved)

    def _down(self, server: Server) -> None:
        vpn = self._world.vpn_of(server)
        vpn.down(server.id)
        most = self._world.random.choice((60.0, 1800.0, 14400.0))
        self._world.loop.later(most * self._world.random.random(), lambda: vpn.up(server.id))

    def _hang(self, server: Server) -> None:
        hanging = self._world.hanging
        hanging.add(server.id)
        self._world.loop.later(1200 * self._world.random.random(), lambda: hanging.discard(server.id))

    def _refuse(self, server: Server) -> None:
        refusing = self._world.refusing
        refusing.add(server.id)
        self._world.loop.later(3600 * self._world.random.random(), lambda: refusing.discard(server.id))

    def _restart(self, server: Server) -> None:
        vpn = self._world.vpn_of(server)
        down = vpn.servers[server.id].down
        vpn.restart(server.id)
        vpn.servers[server.id].down = down
        self._world.truth.foreign.pop(server.id, None)

    def _foreign(self, server: Server) -> None:
        """Put a key there that somebody made by hand."""
        name = f"by-hand-{int(self._world.clock.monotonic())}"
        self._world.vpn_of(server).servers[server.id].keys[name] = RemoteKey(id=name, limit=None)
        self._world.truth.foreign.setdefault(server.id, set()).add(name)
