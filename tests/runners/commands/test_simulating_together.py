"""``veilbot simulate --jobs``: however its processes end, it says one thing or nothing, and leaves none behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.waiting import PATIENCE

LINE = ("simulate", "--seeds", "2000", "--orders", "3", "--jobs", "2")


def children(pid: int) -> list[int]:
    """Return the processes that one has started and that have not ended."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def players(pid: int) -> list[int]:
    """Return those of them that play seeds."""
    return [child for child in children(pid) if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A simulation in two processes, in a group of their own, as a terminal makes one."""
    line = [sys.executable, "-m", "veilbot_runners", *LINE]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_for(lambda: process.poll() is not None or len(players(process.pid)) == 2)
        yield process
        process.kill()


def ended(parent: subprocess.Popen[str], started: list[int]) -> tuple[int, str, str]:
    out, err = parent.communicate(timeout=PATIENCE)
    wait_for(lambda: not any(lives(pid) for pid in started))
    return parent.returncode, out, err


@pytest.mark.parametrize("later", [0.0, 0.3, 3.0])
def test_ctrl_c_ends_all_of_them_in_silence(parent: subprocess.Popen[str], later: float) -> None:
    started = children(parent.pid)
    time.sleep(later)
    os.killpg(parent.pid, signal.SIGINT)
    assert ended(parent, started) == (130, "", "")


def test_one_that_dies_is_one_sentence(parent: subprocess.Popen[str]) -> None:
    started = children(parent.pid)
    os.kill(players(parent.pid)[0], signal.SIGKILL)
    code, out, err = ended(parent, started)
    assert (code, out) == (1, "")
    (sentence,) = err.splitlines()
    assert sentence.startswith("veilbot: a process that played seeds was ended from outside")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL], ids=lambda sign: sign.name)
def test_they_end_with_the_one_that_they_work_for(parent: subprocess.Popen[str], sign: signal.Signals) -> None:
    started = children(parent.pid)
    time.sleep(3)
    parent.send_signal(sign)
    assert ended(parent, started)[:2] == (-sign, "")
