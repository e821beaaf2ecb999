"""A V2Ray or Xray that restarted empty gets its 10,000 users back, beside bare calls that add as many.

Against the real cores (Debian's ``v2ray``, Xray from its wheel). The reference adds users over one connection, as many
on their way at once as the product, and neither looks before it adds nor writes anything down.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
from tests.peers.cores import Core, ended, free_port, inbound, server_config
from tests.peers.test_restarts import added, sold

from bench import machine
from bench.figures import Block, Scenario, spread
from veilbot_adapters.database import migrate
from veilbot_adapters.vpn.proto import core_pb2 as pb
from veilbot_adapters.vpn.v2ray_accounts import Flavour, user
from veilbot_core.domain.ids import KeyId
from veilbot_runners.container import open_container
from veilbot_runners.settings import load

_PIPELINE = 64
_ROOTS = {"v2ray": "v2ray.core", "xray": "xray"}


async def run(folder: Path, *, rounds: int, users: int) -> Scenario:
    """Restart each core ``rounds`` times, and bring its users back by both ways."""
    scenario = Scenario(name="restore")
    found: list[dict[str, Block]] = [{} for _ in range(rounds)]
    for flavour in ("v2ray", "xray"):
        api, port = free_port(), free_port()
        door = inbound(flavour, "vless", port)
        core = Core(flavour=flavour, config=server_config(flavour, api, door), folder=folder, listens=api)
        with ended(core):
            await core.up()
            for blocks, made in zip(found, await _of_core(core, folder, rounds, users), strict=True):
                blocks.update(made)
    scenario.rounds = found
    return scenario


async def _of_core(core: Core, folder: Path, rounds: int, users: int) -> list[dict[str, Block]]:
    url = f"sqlite+aiosqlite:///{folder / core.flavour}.db"
    settings = load(env_file=None, database_url=url, local_api_ports=(core.listens,))
    await migrate(settings.database_url)
    found = []
    async with open_container(settings) as container:
        shop = container.application()
        server = await added(shop, core, users)
        keys = [key.id for key in await sold(shop, server, users)]
        await shop.provisioning.reconcile(server.id)
        for _ in range(rounds):
            await core.restart()
            began, cpu = time.perf_counter(), time.process_time()
            report = await shop.provisioning.reconcile(server.id)
            product = _block(f"{core.flavour} product", users, time.perf_counter() - began, time.process_time() - cpu)
            assert len(report.missing) == users, f"{len(report.missing)} were missing"
            await core.restart()
            began, cpu = time.perf_counter(), time.process_time()
            await _bare(core, keys)
            bare = _block(f"{core.flavour} bare", users, time.perf_counter() - began, time.process_time() - cpu)
            found.append({product.subject: product, bare.subject: bare})
            for block in (product, bare):
                print(f"  {block.subject:<16} {block.seconds:6.1f} s  CPU {block.cpu_us:6.0f} us per user")
    return found


def _block(subject: str, done: int, seconds: float, cpu: float) -> Block:
    """Return the figures of one way."""
    each = seconds / done * 1e3
    used = cpu / done * 1e6
    return Block(subject=subject, done=done, seconds=seconds, p50_ms=each, p99_ms=each, cpu_us=used, load_busy=0.0)


async def _bare(core: Core, keys: Sequence[KeyId]) -> None:
    """Add users, and no more than that."""
    settings = {"proxy": "vless", "flow": "", "secret": "bench"}
    root = _ROOTS[core.flavour]
    waiting: Iterator[KeyId] = iter(keys)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{core.listens}") as channel:
        alter: Any = channel.unary_unary(f"/{root}.app.proxyman.command.HandlerService/AlterInbound")

        async def lane() -> None:
            for key in waiting:
                operation = pb.AddUserOperation(user=user(Flavour(root), key, settings)).SerializeToString()
                typed = pb.TypedMessage(type=f"{root}.app.proxyman.command.AddUserOperation", value=operation)
                await alter(pb.AlterInboundRequest(tag="in", operation=typed).SerializeToString(), timeout=10)

        async with asyncio.TaskGroup() as group:
            for _ in range(_PIPELINE):
                group.create_task(lane())


def report(scenario: Scenario) -> None:
    """Print where it stands."""
    for flavour in _ROOTS:
        seconds = [blocks[f"{flavour} product"].seconds for blocks in scenario.rounds]
        ratio = scenario.ratios(f"{flavour} bare", f"{flavour} product", "seconds")
        users = scenario.rounds[0][f"{flavour} product"].done
        print(f"restore of {users} users, {flavour:<6} {spread(seconds)} s   (goal 60)   beside bare: {spread(ratio)}")
    print(f"on {machine.shape()}")
