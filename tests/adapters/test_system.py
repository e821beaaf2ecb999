"""The machine's own clock and ids."""

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from veilbot_adapters.memory import MemoryClock
from veilbot_adapters.system import SystemClock, SystemIds


class SetClock(MemoryClock):
    """A clock that a test can also turn back."""

    def __init__(self, moment: datetime) -> None:
        super().__init__()
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


def test_the_clock_tells_the_time_of_the_machine() -> None:
    assert abs(SystemClock().now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_ids_go_on_rising_when_the_clock_goes_back() -> None:
    clock = SetClock(datetime(2026, 5, 1, tzinfo=UTC))
    ids = SystemIds(clock)
    before = [ids.new() for _ in range(100)]
    clock.moment -= timedelta(hours=1)
    after = [ids.new() for _ in range(100)]
    assert all(earlier < later for earlier, later in pairwise(before + after))


def test_a_counter_that_runs_over_borrows_from_the_next_millisecond() -> None:
    clock = SetClock(datetime(2026, 5, 1, tzinfo=UTC))
    ids = SystemIds(clock)
    ids._last = (int(clock.moment.timestamp() * 1000) << 42) + (1 << 42) - 2
    last, first = ids.new(), ids.new()
    assert last < first
    assert (last.version, first.version) == (7, 7)
    assert first.int >> 80 == int(clock.moment.timestamp() * 1000) + 1


def test_threads_never_get_the_same_id() -> None:
    ids, made = SystemIds(SystemClock()), list[list[UUID]]()

    def work() -> None:
        made.append([ids.new() for _ in range(5000)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for some in made for one in some}) == 20_000
    assert all(earlier < later for some in made for earlier, later in pairwise(some))
