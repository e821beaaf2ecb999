"""The first signal asks for a graceful end, the second one ends the process."""

import asyncio
import signal
import sys

import pytest

PROGRAM = """
import asyncio
from veilbot_runners.serving import watch_signals

async def main():
    stop = asyncio.Event()
    watch_signals(stop)
    print("runs", flush=True)
    await stop.wait()
    print("asked", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_the_second_signal_ends_it_at_once(second: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"runs\n"
        process.send_signal(signal.SIGTERM)
        assert await process.stdout.readline() == b"asked\n"
        process.send_signal(second)
        assert await process.wait() == -second
