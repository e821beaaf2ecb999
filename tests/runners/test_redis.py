"""A shop whose processes share a Redis, as the container and the API know it."""

import socket
from pathlib import Path

import pytest
from tests.redis_server import private_redis
from tests.runners.api.world import open_world
from tests.waiting import PATIENCE

from veilbot_adapters.redis import RedisCache, RedisConnection, RedisDoorbell, RedisLimiter
from veilbot_adapters.system import SystemClock, SystemIds
from veilbot_core.domain.errors import InvalidInput, Unavailable
from veilbot_runners.checkup import examine
from veilbot_runners.container import open_container
from veilbot_runners.settings import load


def nobody() -> str:
    """Return an address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"redis://:hunter2@127.0.0.1:{probe.getsockname()[1]}/0"


class TestContainer:
    async def test_an_address_chooses_redis(self, redis_url: str, sqlite_url: str) -> None:
        async with open_container(load(env_file=None, redis_url=redis_url, database_url=sqlite_url)) as container:
            assert isinstance(container.cache(), RedisCache)
            assert isinstance(container.limiter(), RedisLimiter)
            assert isinstance(container.doorbell(), RedisDoorbell)
            assert (await container.limiter().hit(f"container {redis_url}", 10, 1)).allowed

    @pytest.mark.parametrize(("url", "error"), [(nobody(), Unavailable), ("http://hunter2", InvalidInput)])
    async def test_one_that_is_not_to_be_reached_is_one_sentence(
        self, sqlite_url: str, url: str, error: type[Exception]
    ) -> None:
        with pytest.raises(error, match="VEILBOT_REDIS_URL: ") as caught:
            async with open_container(load(env_file=None, redis_url=url, database_url=sqlite_url)):
                pass
        assert "hunter2" not in str(caught.value)

    def test_the_address_is_a_secret(self) -> None:
        settings = load(env_file=None, redis_url="redis://:hunter2@127.0.0.1/0")
        assert "hunter2" not in repr(settings)
        assert any("hunter2" in secret for secret in settings.secrets())

    async def test_the_doctor_looks_at_it(
        self, redis_url: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        settings = tmp_path / ".env"
        settings.touch()
        monkeypatch.setenv("VEILBOT_DATABASE_URL", sqlite_url)
        monkeypatch.setenv("VEILBOT_REDIS_URL", redis_url)
        found = {finding.check: finding for finding in await examine(settings)}
        assert found["redis"].ok
        monkeypatch.setenv("VEILBOT_REDIS_URL", nobody())
        found = {finding.check: finding for finding in await examine(settings)}
        assert not found["redis"].ok
        assert "VEILBOT_REDIS_URL" in found["redis"].says


class TestApi:
    async def test_without_a_counter_wrong_keys_are_not_tried_and_right_ones_go_on(self) -> None:
        clock = SystemClock()
        with private_redis() as server:
            connection = RedisConnection(server.url, clock, SystemIds(clock), patience=PATIENCE)
            async with connection.open(), open_world(limiter=RedisLimiter(connection)) as world:
                wrong = {"Authorization": "Bearer wrong"}
                await world.get("/api/v1/users", 401, headers=wrong)
                await world.get("/api/v1/users")
                server.kill()
                answer = await world.get("/api/v1/users", 503, headers=wrong)
                assert answer["code"] == "unavailable"
                await world.get("/api/v1/users")
