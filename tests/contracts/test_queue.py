"""The contract of the job queue port, over every queue that is at hand; the broker's stands in tests/peers."""

import pytest

from veilbot_adapters.memory import MemoryJobQueue
from veilbot_adapters.testing.queue import JobQueueContract, JobQueueSubject
from veilbot_core.domain.errors import Unavailable


class TestMemory(JobQueueContract):
    @pytest.fixture
    def subject(self) -> JobQueueSubject:
        queue = MemoryJobQueue()
        return JobQueueSubject(queue=queue, other=queue, break_once=lambda: queue.fail_next(Unavailable(), on="put"))
