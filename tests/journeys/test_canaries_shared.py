"""No secret is found in Postgres, sealed rows included, nor in anything that Redis was ever told."""

import base64
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from tests.journeys.canaries import dump, haunt, overheard, remembered, seen
from tests.journeys.world import World
from tests.redis_server import private_redis

SECRET = "s3cret/canary+of%a kind"


@pytest.fixture
def redis_url() -> Iterator[str]:
    with private_redis() as server:
        yield server.url


@pytest.mark.parametrize(
    "text",
    [
        "{it}",
        "https://shop.example/s/{it}?x",
        *(base64.b64encode(f"{before}{SECRET} and more".encode()).decode() for before in ("", "x", "xy")),
        f"\\x{SECRET.encode().hex()}",
        quote(SECRET, safe=""),
    ],
)
def test_a_secret_is_seen_in_every_shape(text: str) -> None:
    said = f"beside {text.format(it=SECRET)}"
    assert seen(said, {"it": SECRET, "another": "another secret"}, beside="beside") == ["it"]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_shared_backends_hold_no_secret(world: World, redis_url: str) -> None:
    async with overheard(redis_url) as heard:
        haunted = await haunt(world, VEILBOT_REDIS_URL=redis_url)
    assert len(haunted.secrets) > 30
    rows, sealed = await dump(world.environment["VEILBOT_DATABASE_URL"])
    assert sealed >= 9 + 6 + 5, "endpoints, links and access URLs lie there, sealed"
    assert seen(rows, haunted.secrets, beside=haunted.order_id) == []
    left = remembered(redis_url)
    assert left
    assert seen(b"".join(heard).decode("latin-1") + left, haunted.secrets, beside=haunted.user_id) == []
    assert seen(world.log.read_text(encoding="utf-8"), haunted.secrets, beside="job apply_key") == []
