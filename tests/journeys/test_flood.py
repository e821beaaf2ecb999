"""Thousands of requests at once: memory is bounded, each is answered, and so is the question after its health."""

import asyncio
import resource
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from tests.journeys.world import PATIENCE, World

FLOOD = 2500
BODY = b"x" * 60_000
MEGABYTES = 120
"""What it may take: a thousand connections of 64 kB, and what they cost beside that."""


def peak(pid: int) -> int:
    """Return the most memory that a process ever had, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM"))


async def post(port: int, answers: Counter[str]) -> None:
    head = f"POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n\r\n"
    answer = b""
    while not answer:  # a connection too many that is silent for two seconds, on a machine that stands still, is let go
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            writer.write(head.encode() + BODY)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        writer.close()
    kind = "problem" if b"application/problem+json" in answer else "other"
    answers[f"{answer[9:12].decode()} {kind}{' come again' if b'retry-after: 1' in answer else ''}"] += 1


@pytest.fixture
def many_files() -> None:
    """Let this process open a connection for each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 10_000), most))


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_flood_is_answered_and_takes_little_memory(world: World) -> None:
    process = world.start("api")
    await world.ready()
    before, answers, lives = peak(process.pid), Counter[str](), list[int]()
    over = asyncio.Event()

    async def watch() -> None:
        while not over.is_set():
            lives.append((await world.http.get(f"http://127.0.0.1:{world.shop_port}/healthz")).status_code)
            await asyncio.sleep(0.2)

    world.http.timeout = PATIENCE
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        async with asyncio.TaskGroup() as flood:
            for _ in range(FLOOD):
                flood.create_task(post(world.shop_port, answers))
        over.set()
        await watching
    assert answers.total() == FLOOD
    assert set(answers) == {"400 problem", "503 problem come again"}
    assert set(lives) == {200}
    assert peak(process.pid) - before < MEGABYTES
