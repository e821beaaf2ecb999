"""Secrets are found where they are needed and nowhere else, whatever fails and whoever repeats them."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.journeys.test_purchase import bought
from tests.journeys.world import PATIENCE, Customer, World, eventually

from veilbot_core.domain.order import OrderStatus
from veilbot_core.domain.tariff import Protocol
from veilbot_core.services.fleet import Draft
from veilbot_runners.container import open_application
from veilbot_runners.sandbox.certificate import self_signed
from veilbot_runners.settings import Settings, load

HOOK, PASSWORD, PATH = "hook-secret-canary-0123456789", "p4ssw0rd-c4n4ry-%2F", "S3cretP4thC4nary42"
PATIENT = {"VEILBOT_TIMEOUT__WEBHOOK": "600"}
"""Stripe would come again to who is slow; here it does not."""
LINK = r"http://127\.0\.0\.1:\d+/s/[\w-]+"


@asynccontextmanager
async def parrot(tls: ssl.SSLContext | None, status: str) -> AsyncIterator[int]:
    """Serve an error that repeats all of the request, wherever an error may hold words; yield the port."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        words = re.sub(r"[^!-~]+", " ", (await reader.read(65_536)).decode("latin-1")).replace('"', "'").split()
        said = " ".join(sorted(words, key=lambda word: "://" not in word))[:4000].replace("\\", "/")
        error = f'"code":"{said}","message":"{said}","param":"{said}","type":"invalid_request_error"'
        body = f'{{"ok":false,"error_code":400,"description":"{said}","code":"{said}","error":{{{error}}}}}'.encode()
        head = f"HTTP/1.1 {status} {said[:500]}\r\nContent-Type: application/json\r\nX-Request-Id: {said[:500]}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode("latin-1") + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


def settings(world: World) -> Settings:
    return load(
        env_file=None,
        database_url=world.environment["VEILBOT_DATABASE_URL"],
        encryption_keys=(world.made.encryption_key,),
        allow_private_servers=True,
    )


async def api(world: World, key: str) -> str:
    """Ask for all there is, and for what there is not; return the answers."""
    heard = []
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "once"}
    base = f"http://127.0.0.1:{world.shop_port}"
    document = (await world.http.get(f"{base}/schema/openapi.json")).json()
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=PATIENCE) as http:
        for path, item in document["paths"].items():
            for method in item:
                body = {"json": {"name": 1}} if method == "post" else {}
                answer = await http.request(method, re.sub(r"\{\w+\}", f"{PATH}", path), **body)  # type: ignore[arg-type]
                heard.append(f"{method} {path}: {answer.status_code} {answer.headers} {answer.text}")
    return "\n".join(heard)


async def fails(world: World, session: str, key: str) -> str:
    """Let a server, Stripe and Telegram fail by repeating what they are told; return what the API says to that."""
    certificate = self_signed(b"parrot".ljust(32))
    async with parrot(certificate.context(), "500") as server, parrot(None, "400") as others:
        endpoint = {"api_url": f"https://127.0.0.1:{server}/{PATH}", "cert_sha256": certificate.sha256}
        draft = Draft(name="Parrot", protocol=Protocol.OUTLINE, country="FR", endpoint=endpoint)
        async with open_application(settings(world)) as shop:
            parroting = await shop.fleet.add(draft, probe=False)
            (order, *_) = await shop.checkout.page(limit=10, status=OrderStatus.FULFILLED)
            for country in ("FR", "NL"):
                await shop.subscriptions.give(
                    order.user_id, order.tariff_id, days=1, country=country, request=shop.ids.new()
                )
        wrong = f"http://127.0.0.1:{others}"
        started = [
            world.start(part, VEILBOT_STRIPE__API_BASE=wrong, VEILBOT_TELEGRAM__API_BASE=wrong, **PATIENT)
            for part in ("api", "worker")
        ]
        await world.ready()
        assert await world.sandbox.stripe.webhooks.send(world.sandbox.stripe.books.pay(session)) == 200
        base, headers = f"http://127.0.0.1:{world.shop_port}/api/v1", {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=PATIENCE) as http:
            new = {"user_id": str(order.user_id), "tariff_id": str(order.tariff_id), "provider": "stripe"}
            said = [
                await http.post("/billing/orders", json={**new, "country": "DE"}),
                await http.post(f"/billing/orders/{order.id}/refund", json={}),
                await http.post(f"/vpn/servers/{parroting.id}/reconcile", json={}),
                await http.get("/vpn/status"),
            ]
            assert [answer.status_code for answer in said] == [502, 202, 503, 200]
            await eventually("failures of every port", lambda: failures(world))
            said.append(await http.get("/admin/dead-jobs"))
        for process in started:
            await world.stop(process)
    return "".join(answer.text for answer in said)


async def failures(world: World) -> bool:
    log = world.log.read_text(encoding="utf-8")
    return all(f"job {kind}" in log for kind in ("apply_key", "tell_ready", "refund_order"))


async def commands(world: World) -> None:
    """Let commands look at all there is, and at databases that are not there; the log has what they say."""
    runs: list[tuple[str, dict[str, str]]] = [
        ("doctor", {}),
        ("reconcile", {}),
        ("doctor", {"VEILBOT_DATABASE_URL": f"postgresql+asyncpg://shop:{PASSWORD}@127.0.0.1:1/shop"}),
        ("doctor", {"VEILBOT_REDIS_URL": f"redis://shop:{PASSWORD}@127.0.0.1:1/0"}),
    ]
    processes = [world.start(command, "--json", **changes) for command, changes in runs]
    codes = await asyncio.gather(*(asyncio.to_thread(process.wait, PATIENCE) for process in processes))
    assert codes == [1, 1, 1, 1]


async def held(world: World) -> dict[str, str]:
    """Return what opens something for a customer."""
    async with open_application(settings(world)) as shop:
        users = await shop.users.page(limit=10)
        holdings = [holding for user in users for holding in await shop.subscriptions.of_user(user.id)]
    links = {f"link {number}": one.link.rpartition("/")[2] for number, one in enumerate(holdings)}
    urls = [key.url.partition("#")[0] for one in holdings for key in one.keys]
    assert len(urls) == 3
    passwords = {f"password {number}": re.split("[/@]", url)[2] for number, url in enumerate(urls)}
    return links | passwords | {f"access url {number}": url for number, url in enumerate(urls)}


def read(folder: Path) -> str:
    """Return the database as somebody who copied its files would see it."""
    return "".join(file.read_bytes().decode("latin-1") for file in folder.glob("shop.db*"))


def found(text: str, secrets: Mapping[str, str]) -> list[str]:
    """Name the secrets that stand in a text."""
    return [name for name, secret in secrets.items() if secret in text]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_canary_is_found_where_it_does_not_belong(world: World, tmp_path: Path) -> None:
    world.start("run", VEILBOT_TELEGRAM__WEBHOOK_SECRET=HOOK, VEILBOT_LOG_LEVEL="debug")
    await world.ready()
    customer, _ = await bought(world, 1)
    link = await customer.hears(LINK)
    assert (await world.http.get(link)).status_code == 200
    async with open_application(settings(world)) as shop:
        _, api_key = await shop.api_keys.add("canary", ["*"])
    answers = await api(world, api_key)
    session = await Customer(world=world, chat=2).checkout()
    await world.stop(world.processes[0])
    answers += await fails(world, session, api_key)
    await commands(world)
    secrets = {
        "encryption key": world.made.encryption_key.rstrip("="),
        "bot token": world.made.telegram_token,
        "bot token's half": world.made.telegram_token.partition(":")[2],
        "stripe key": world.made.stripe_key,
        "webhook secret": world.made.webhook_secret,
        "telegram's webhook secret": HOOK,
        "password": PASSWORD,
        "the path of a server": PATH,
        "api key": api_key,
        **await held(world),
        **{f"the path of {s.name}": s.api_url.rpartition("/")[2] for s in world.sandbox.outline.servers.values()},
    }
    asked = {name: secret for name, secret in secrets.items() if name != "the path of a server"}
    assert found(answers, asked) == []
    assert found(world.log.read_text(encoding="utf-8"), secrets) == []
    database = read(tmp_path)
    assert found(database, secrets) == []
    assert found(repr(settings(world)) + str(settings(world)), secrets) == []
    assert "Parrot" in database
