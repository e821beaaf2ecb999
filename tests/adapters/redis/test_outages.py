"""A Redis that dies and comes back in mid-flow."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest
from tests.redis_server import PrivateServer, private_redis
from tests.shared_redis import End, ends, prefix
from tests.waiting import PATIENCE, until

from veilbot_core.domain.errors import InvalidInput, Unavailable


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    with private_redis() as opened:
        yield opened


@pytest.fixture
async def pair(server: PrivateServer) -> AsyncIterator[list[End]]:
    server.kill()
    server.start()
    async with ends(server.url, 2) as opened:
        yield opened


def saying(value: bytes) -> Callable[[], Awaitable[bytes]]:
    async def make() -> bytes:
        return value

    return make


def at_once(call: Coroutine[Any, Any, bytes]) -> bytes:
    """Return the result of what waits for nobody, not even for its turn."""
    try:
        call.send(None)
    except StopIteration as done:
        answer: bytes = done.value
        return answer
    call.close()
    raise AssertionError("it waits")


class TestOutage:
    async def test_a_process_that_stood_still_itself_calls_nobody_silent(
        self, pair: list[End], caplog: pytest.LogCaptureFixture
    ) -> None:
        """As one does that imports much when it starts, on a busy machine."""
        await asyncio.sleep(0.01)
        time.sleep(3.2)  # noqa: ASYNC251 - that is the point
        await asyncio.sleep(0.6)
        assert all(end.connection.up for end in pair)
        assert not caplog.records

    async def test_reads_go_on_limits_say_so_and_the_log_hears_of_it_once(
        self, server: PrivateServer, pair: list[End], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "veilbot_adapters.redis")
        end = pair[0]
        await end.cache.set("a", b"1", 60)
        server.kill()
        await until(lambda: not end.connection.up and not pair[1].connection.up)
        assert await end.cache.get("a") is None
        assert await end.cache.fetch("a", 60, saying(b"2")) == b"2"
        assert await end.cache.get("a") == b"2"
        await end.cache.set("b", b"3", 60)
        await end.cache.drop("c")
        with pytest.raises(Unavailable):
            await end.limiter.hit("a", 1, 60)
        end.doorbell.ring()
        async with asyncio.timeout(PATIENCE):
            await end.doorbell.wait(3600)
        assert [r.levelname for r in caplog.records].count("WARNING") == 2, "once for each end"
        server.start()
        await until(lambda: end.connection.up and pair[1].connection.up)
        assert (await end.limiter.hit("a", 1, 60)).allowed
        assert await end.cache.fetch("a", 60, saying(b"4")) == b"4"

    async def test_a_dead_redis_costs_no_wait(self, server: PrivateServer, pair: list[End]) -> None:
        end = pair[0]
        server.kill()
        await until(lambda: not end.connection.up)
        for number in range(1000):
            assert at_once(end.cache.fetch(f"{number}", 60, saying(b"1"))) == b"1"
        server.start()

    async def test_what_was_dropped_meanwhile_is_dropped_when_it_is_back(self, pair: list[End]) -> None:
        here, there = pair
        await there.cache.set("a", b"old", 60)
        await here.cache.set("b", b"kept", 60)
        here.connection._fall(ConnectionError("this end alone loses it"))
        await here.cache.drop("a")
        assert await there.cache.get("a") == b"old"
        await until(lambda: here.connection.up)
        async with asyncio.timeout(PATIENCE):
            while await there.cache.get("a") is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert await here.cache.get("b") == b"kept"

    async def test_a_lost_subscription_empties_what_this_process_keeps(self, pair: list[End]) -> None:
        end = pair[0]
        await end.cache.set("a", b"1", 60)
        assert len(end.cache._near) == 1
        end.connection._fall(ConnectionError("gone"))
        assert len(end.cache._near) == 0

    async def test_a_redis_that_hangs_costs_its_first_callers_their_patience(
        self, server: PrivateServer, pair: list[End]
    ) -> None:
        assert pair
        async with ends(server.url, patience=1.0) as (end,):
            with server.hung():
                async with asyncio.timeout(PATIENCE):
                    assert await end.cache.fetch("a", 60, saying(b"1")) == b"1"
                assert at_once(end.cache.fetch("b", 60, saying(b"2"))) == b"2"
            await until(lambda: end.connection.up)


class TestTheStart:
    async def test_nobody_there_is_one_sentence_without_the_address(self) -> None:
        async with private_address() as url:
            with pytest.raises(Unavailable, match="cannot be reached") as caught:
                async with ends(url):
                    pass
        assert "hunter2" not in repr(caught.value)

    async def test_a_wrong_password_is_the_same(self, server: PrivateServer, pair: list[End]) -> None:
        assert pair
        url = server.url.replace("redis://", "redis://:hunter2@")
        with pytest.raises(Unavailable) as caught:
            async with ends(url):
                pass
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize("url", ["localhost:6379", "http://x", "redis://host:port/0"])
    async def test_what_is_no_address_is_refused(self, url: str) -> None:
        with pytest.raises(InvalidInput, match="redis://"):
            End(url, prefix())

    async def test_what_fails_inside_comes_out_as_it_is(self, server: PrivateServer, pair: list[End]) -> None:
        assert pair
        with pytest.raises(KeyError):
            async with ends(server.url):
                raise KeyError


class private_address:  # noqa: N801 - reads as what it is
    """An address where nobody listens."""

    async def __aenter__(self) -> str:
        closed = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = closed.sockets[0].getsockname()[1]
        closed.close()
        await closed.wait_closed()
        return f"redis://:hunter2@127.0.0.1:{port}/0"

    async def __aexit__(self, *_: object) -> None:
        return None
