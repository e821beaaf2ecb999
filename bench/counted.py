"""``veilbot`` that also counts what it asks the database and Redis.

The counts go to the file ``BENCH_COUNTS`` when it ends, and at SIGUSR1.
"""

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from veilbot_adapters.database.calls import Call
from veilbot_adapters.database.connection import Connection
from veilbot_adapters.database.session import Session
from veilbot_adapters.database.statements import Prepared
from veilbot_adapters.redis import RedisConnection
from veilbot_runners.cli import main

_WHAT = re.compile(r"\b(?:INTO|UPDATE|FROM)\s+(\w+)")
found: Counter[str] = Counter()


def _count(owner: type, name: str, what: Callable[..., str]) -> None:
    """Let a method count its calls."""
    inner = getattr(owner, name)

    def counted(self: Any, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - any method
        found[what(self, *given)] += 1
        return inner(self, *given, **named)

    setattr(owner, name, counted)


def _clock(owner: type, name: str, what: Callable[..., str]) -> None:
    """Let a method add up the CPU of its thread, in microseconds."""
    inner = getattr(owner, name)

    def clocked(self: Any, *given: Any) -> Any:  # noqa: ANN401 - any method
        began = time.thread_time_ns()
        try:
            return inner(self, *given)
        finally:
            found[what(*given)] += (time.thread_time_ns() - began) // 1000

    setattr(owner, name, clocked)


def _work(verb: str, call: Call) -> str:
    """Name a unit of work by the function that it is."""
    return f"us {verb} {call.work.__qualname__.replace('.<locals>', '')}"


def _statement(prepared: Prepared, *_: object) -> str:
    """Name a statement by its verb and its table; parameters are made once per run of one."""
    table = _WHAT.search(prepared.sql)
    return f"sql {prepared.sql.split(None, 1)[0].lower()} {table[1] if table else ''}"


def _tell(*_: object) -> None:
    """Write the counts so far, whole or not at all."""
    path = Path(os.environ["BENCH_COUNTS"])
    part = path.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.rename(path)


if __name__ == "__main__":
    _count(Prepared, "parameters", _statement)
    _count(Connection, "write", lambda *_: "writing units of work")
    _count(Connection, "read", lambda *_: "reading units of work")
    _count(Connection, "commit", lambda *_: "commits")
    _count(RedisConnection, "call", lambda *_: "redis round trips")
    _count(Session, "change_many", lambda *_: "calls with many rows")
    _clock(Connection, "write", lambda call: _work("write", call))
    _clock(Connection, "read", lambda call: _work("read", call))
    _clock(Connection, "commit", lambda *_: "us commit")
    _clock(Connection, "begin", lambda *_: "us begin")
    signal.signal(signal.SIGUSR1, _tell)
    try:
        main()
    finally:
        _tell()
