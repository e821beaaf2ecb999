"""A shop full of secrets on shared backends, and every place where none of them may be seen."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg  # type: ignore[import-untyped]
import redis
from tests.journeys.test_canaries import HOOK, LINK, PATH, parrot, settings
from tests.journeys.test_purchase import bought
from tests.journeys.world import World, eventually

from veilbot_adapters.vpn.proto import core_pb2 as pb
from veilbot_core.application import Application
from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.domain.user import Language
from veilbot_core.services.fleet import Draft
from veilbot_runners.container import open_application
from veilbot_runners.sandbox.certificate import self_signed
from veilbot_runners.sandbox.v2ray_server import V2RayServer
from veilbot_runners.sandbox.v2ray_state import V2RayState

COUNTRIES = {"vless": "SE", "vmess": "FI", "trojan": "PL", "shadowsocks": "AT"}
FAILING = "FR"
NEEDED = {"shadowsocks": {"method": "aes-256-gcm"}, "trojan": {"security": "tls", "sni": "cdn.example"}}
_SHAPES = {"vless": pb.VlessAccount, "vmess": pb.VmessAccount}
_PASSWORDS = {"trojan": pb.TrojanAccount, "shadowsocks": pb.ShadowsocksAccount}


@dataclass(frozen=True, kw_only=True)
class Haunted:
    """What was done in the shop."""

    secrets: Mapping[str, str]
    user_id: str
    order_id: str


@asynccontextmanager
async def cores() -> AsyncIterator[Mapping[str, V2RayServer]]:
    """Serve a core for each proxy."""
    made = {proxy: V2RayServer(proxy, state=V2RayState(inbounds={"in": proxy})) for proxy in COUNTRIES}
    async with AsyncExitStack() as stack:
        for core in made.values():
            await core.start()
            stack.push_async_callback(core.stop)
        yield made


def server_secret(name: str) -> str:
    return f"server-secret-canary-of-{name}"


async def add_servers(shop: Application, made: Mapping[str, V2RayServer], failing: int) -> Mapping[str, str]:
    """Add the cores, and one behind TLS that repeats what it hears; return the secrets that were given."""
    ours, theirs = self_signed(b"our client".ljust(32)), self_signed(b"parrot".ljust(32))
    behind = {
        "cert_sha256": theirs.sha256,
        "client_cert": ours.certificate.decode(),
        "client_key": ours.key.decode(),
        "proxy": "vless",
        "api": f"127.0.0.1:{failing}",
    }
    given = {proxy: {"proxy": proxy, "api": made[proxy].api, **NEEDED.get(proxy, {})} for proxy in COUNTRIES}
    for name, described in {**given, "parrot": behind}.items():
        country = COUNTRIES.get(name, FAILING)
        endpoint = {"inbound": "in", "address": "127.0.0.1", "port": "443", "secret": server_secret(name), **described}
        draft = Draft(name=f"Core {name}", protocol=Protocol.V2RAY, country=country, endpoint=endpoint)
        await shop.fleet.add(draft, probe=name != "parrot")
    outline = {"api_url": f"https://127.0.0.1:{failing}/{PATH}", "cert_sha256": theirs.sha256}
    draft = Draft(name="Parrot", protocol=Protocol.OUTLINE, country=FAILING, endpoint=outline)
    await shop.fleet.add(draft, probe=False)
    secrets = {f"the secret of {name}": server_secret(name) for name in (*COUNTRIES, "parrot")}
    lines = [line for line in ours.key.decode().splitlines() if "PRIVATE" not in line]
    return {**secrets, "the client's key": lines[0], "the path of a server": PATH}


async def haunt(world: World, **shared: str) -> Haunted:
    """Sell, give and fail on shared backends; return the secrets that came of it."""
    certificate = self_signed(b"parrot".ljust(32))
    async with cores() as made, parrot(certificate.context(), "500") as failing:
        async with open_application(settings(world)) as shop:
            given = await add_servers(shop, made, failing)
            _, api_key = await shop.api_keys.add("canary", ["*"])
            both = (Protocol.OUTLINE, Protocol.V2RAY)
            core = await shop.catalog.add(Terms(name="Core", days=30, protocols=(Protocol.V2RAY,)), {"USD": 599})
            every = await shop.catalog.add(Terms(name="Every", days=30, protocols=both), {"USD": 699})
            user = await shop.users.add("Bob", None, Language.EN)
            for tariff, country in [*((core, country) for country in COUNTRIES.values()), (every, FAILING)]:
                await shop.subscriptions.give(user.id, tariff.id, days=30, country=country, request=shop.ids.new())
        for part in ("api", "bot", "worker"):
            world.start(part, VEILBOT_TELEGRAM__WEBHOOK_SECRET=HOOK, VEILBOT_LOG_LEVEL="debug", **shared)
        await world.ready()
        customer, _ = await bought(world, 1)
        link = await customer.hears(LINK)
        assert (await world.http.get(link)).status_code == 200
        await eventually("a user on each core", lambda: everywhere(made))
        await eventually("a server to fail", lambda: failed(world))
        await ask(world, api_key, str(user.id))
        async with open_application(settings(world)) as shop:
            (order,) = await shop.checkout.page(limit=10)
            found = {**given, **await held(shop), **credentials(made), "api key": api_key}
        for process in world.processes:
            await world.stop(process)
    words = {
        "encryption key": world.made.encryption_key.rstrip("="),
        "bot token": world.made.telegram_token.partition(":")[2],
        "stripe key": world.made.stripe_key,
        "webhook secret": world.made.webhook_secret,
        "telegram's webhook secret": HOOK,
    }
    paths = {f"the path of {s.name}": s.api_url.rpartition("/")[2] for s in world.sandbox.outline.servers.values()}
    return Haunted(secrets={**words, **paths, **found}, user_id=str(user.id), order_id=str(order.id))


async def everywhere(made: Mapping[str, V2RayServer]) -> bool:
    return all(core.state.users["in"] for core in made.values())


async def failed(world: World) -> bool:
    return "job apply_key" in world.log.read_text(encoding="utf-8")


async def ask(world: World, api_key: str, user_id: str) -> None:
    """Let a program ask for the customer's things, twice under one idempotency key, and somebody guess."""
    base = f"http://127.0.0.1:{world.shop_port}/api/v1"
    for secret, key in ((api_key, "once"), (api_key, "once"), (api_key + "x", "once")):
        headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": key}
        await world.http.get(f"{base}/users/{user_id}/subscriptions", headers=headers)
        await world.http.post(f"{base}/admin/api-keys", headers=headers, json={"name": "t", "scopes": ["users:read"]})


async def held(shop: Application) -> Mapping[str, str]:
    """Return what opens something for a customer: links, access URLs, and the passwords inside."""
    found: dict[str, str] = {}
    users = await shop.users.page(limit=10)
    holdings = [holding for user in users for holding in await shop.subscriptions.of_user(user.id)]
    for number, holding in enumerate(holdings):
        found[f"link {number}"] = holding.link.rpartition("/")[2]
        for place, key in enumerate(holding.keys):
            url = key.url.partition("#")[0]
            found[f"access url {number}.{place}"] = url
            found[f"user of access url {number}.{place}"] = urlsplit(url).username or url.partition("://")[2]
    assert len(found) == 6 + 2 * 5, "six subscriptions, of which five have their key"
    return found


def credentials(made: Mapping[str, V2RayServer]) -> Mapping[str, str]:
    """Return what the cores were told: UUIDs and passwords."""
    found = {}
    for proxy, core in made.items():
        (user,) = core.state.users["in"]
        if proxy in _SHAPES:
            found[f"uuid of {proxy}"] = _SHAPES[proxy].FromString(user.account.value).id
        else:
            found[f"password of {proxy}"] = _PASSWORDS[proxy].FromString(user.account.value).password
    return found


def shapes(secret: str) -> Iterator[str]:
    """Yield how a secret may be written down."""
    raw = secret.encode()
    yield from (secret, quote(secret, safe=""), raw.hex())
    for shift in range(3):  # base64 within other text begins at any of three places
        whole = base64.b64encode(b" " * shift + raw).decode()
        yield whole[4 if shift else 0 : len(whole) // 4 * 4 - 4]
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", secret):
        yield secret.replace("-", "")


def seen(text: str, secrets: Mapping[str, str], *, beside: str) -> list[str]:
    """Name the secrets that stand in a text in any shape, ``beside`` something that must, or it is the wrong text."""
    assert beside in text, "what is looked at is not what was written"
    return [name for name, secret in secrets.items() if any(shape in text for shape in shapes(secret))]


async def dump(url: str) -> tuple[str, int]:
    """Return every row of every table as text and as bytes, and how many sealed values are among them."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    said, sealed = [], 0
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables:
            for row in await connection.fetch(f'SELECT t::text AS whole, t.* FROM "{table}" t'):  # noqa: S608
                raw = [value for value in row.values() if isinstance(value, bytes)]
                sealed += len(raw)
                said += [f"{table} {row['whole']}", *(value.decode("latin-1") for value in raw)]
    finally:
        await connection.close()
    return "\n".join(said), sealed


_READ = {b"string": "GET", b"hash": "HGETALL", b"list": "LRANGE", b"set": "SMEMBERS", b"zset": "ZRANGE"}


def remembered(url: str) -> str:
    """Return every key of a Redis with its value."""
    said: list[str] = []
    with closing(redis.Redis.from_url(url)) as server:
        ask: Any = server.execute_command
        for key in server.scan_iter(count=1000):
            kind: Any = server.type(key)
            span = (0, -1) if kind in {b"list", b"zset"} else ()
            said.append(f"{key!r} {ask(_READ[kind], key, *span)!r}")
    return "\n".join(said)


@asynccontextmanager
async def overheard(url: str) -> AsyncIterator[list[bytes]]:
    """Collect every command that a Redis gets: what it forgets in seconds, too, and what it only passes on."""
    address, heard = urlsplit(url), list[bytes]()
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1 << 26)
    writer.write(b"MONITOR\r\n")

    async def listen() -> None:
        while line := await reader.readline():
            heard.append(line)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(listen())
        try:
            yield heard
        finally:
            task.cancel()
            writer.close()
