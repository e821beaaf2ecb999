"""The machine: pinning, CPU and memory of process trees from ``/proc``, and the yardstick that tells a noisy moment."""

import os
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]


def pin(pid: int, *cores: int) -> None:
    """Keep a process, and the threads and processes that it will start, on some cores."""
    os.sched_setaffinity(pid, cores)


def children(pid: int) -> list[int]:
    """Return the direct children of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def tree(pid: int) -> list[int]:
    """Return a process and everything below it."""
    return [pid, *(below for child in children(pid) for below in tree(child))]


def cpu(pid: int) -> float:
    """Return the CPU seconds that a process tree has used, all threads and ended children, to 10 ms."""
    return sum(_cpu(one) for one in tree(pid))


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / _TICK  # utime, stime, cutime and cstime, man 5 proc


def cpu_by_thread(pid: int) -> dict[str, tuple[float, float]]:
    """Return user and system CPU seconds of each thread of a process."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        name, _, rest = (task / "stat").read_text().rpartition(")")
        fields = rest.split()
        found[f"{task.name} {name.partition('(')[2]}"] = int(fields[11]) / _TICK, int(fields[12]) / _TICK
    return found


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process tree holds, in MB."""

    rss: float
    pss: float


def memory(pid: int) -> Memory:
    """Return resident and proportional memory of a process tree."""
    rss = pss = 0
    for one in tree(pid):
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in {"Rss", "Pss"}:
                size = int(rest.split()[0])
                rss, pss = (rss + size, pss) if name == "Rss" else (rss, pss + size)
    return Memory(rss / 1024, pss / 1024)


def yardstick() -> float:
    """Return how long a fixed piece of Python takes now on the server's core, in microseconds (median of 31)."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CORE})
    try:
        return statistics.median(_stick() for _ in range(31))
    finally:
        os.sched_setaffinity(0, mine)


def _stick() -> float:
    began = time.perf_counter()
    total = 0
    for number in range(20_000):
        total += number & 7
    return (time.perf_counter() - began) * 1e6


def shape() -> str:
    """Describe the machine in a line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{len(CORES)} cores of {model}, {gigabytes:.0f} GB, Python {platform.python_version()}"
