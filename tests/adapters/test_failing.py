"""Failpoints of a real process."""

import asyncio
import signal
import subprocess
import sys
import time

import pytest

from veilbot_adapters.failing import ArmedFailpoints
from veilbot_core.domain.errors import InvalidInput, Unavailable, Unknown
from veilbot_core.ports.failpoints import Point

_PROGRAM = """
import asyncio
from veilbot_adapters.failing import ArmedFailpoints
from veilbot_core.ports.failpoints import Point

async def main():
    failpoints = ArmedFailpoints("C7:kill:3")
    for number in range(1, 5):
        {call}
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("call", ["await failpoints.reach(Point.BEFORE_CALL)", "failpoints.pass_by(Point.BEFORE_CALL)"])
def test_kill_ends_the_process_at_the_third_pass(call: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(call=call)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == ["1", "2"]


async def test_error_raises_once() -> None:
    failpoints = ArmedFailpoints("C8:error, C2:error:2")
    with pytest.raises(Unknown, match="C8"):
        await failpoints.reach(Point.CALLED)
    await failpoints.reach(Point.CALLED)
    failpoints.pass_by(Point.WRITTEN)
    with pytest.raises(Unavailable):
        failpoints.pass_by(Point.WRITTEN)


async def test_one_point_may_act_at_several_passes() -> None:
    failpoints = ArmedFailpoints("C8:error,C8:error:2")
    for _ in range(2):
        with pytest.raises(Unknown):
            await failpoints.reach(Point.CALLED)


async def test_hang_waits_for_ever_where_it_can_be_awaited() -> None:
    failpoints = ArmedFailpoints("C9:hang")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await failpoints.reach(Point.ANSWERED)
    await failpoints.reach(Point.ANSWERED)


def test_hang_blocks_where_it_cannot() -> None:
    began = time.monotonic()
    ArmedFailpoints("C9:hang", block=0.02).pass_by(Point.ANSWERED)
    assert time.monotonic() - began >= 0.02


@pytest.mark.parametrize(
    "spec",
    [
        *("", "C7", "C13:kill", "C7:explode", "C7:kill:0", "C7:kill:", "C7:kill:x", "C7:kill:1:1", "C7:kill,"),
        *("c7:kill", "C7:kill,C7:error", "C7:kill,C8:error,C7:hang:1"),
    ],
)
def test_a_bad_spec_is_refused(spec: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        ArmedFailpoints(spec)
    assert refusal.value.field == "failpoint"
