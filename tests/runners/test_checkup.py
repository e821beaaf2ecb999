"""What ``veilbot doctor`` finds out: from those whom the shop stands on, and in spite of those that are down."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.payments.served import SECRET_KEY, WEBHOOK_SECRET, serve_stripe
from tests.runners.sandbox.telegram import TOKEN, opened

from veilbot_core.domain.tariff import Protocol
from veilbot_core.services.fleet import Draft
from veilbot_runners.checkup import Finding, _stripe, examine
from veilbot_runners.container import open_container
from veilbot_runners.settings import Stripe, load

Found = Mapping[str, Finding]
Look = Callable[..., Coroutine[Any, Any, Found]]
PUBLIC = "https://shop.example"
HOOK = f"{PUBLIC}/webhooks/telegram"
SECRET_PATH = "canary-41fa/of-another-bot"
STRIPE = {"STRIPE__SECRET_KEY": SECRET_KEY, "STRIPE__WEBHOOK_SECRET": WEBHOOK_SECRET}


@pytest.fixture
def look(sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Look:
    """Examine a shop with these settings; no finding shows a secret."""

    async def act(**given: str) -> Found:
        named = {"DATABASE_URL": sqlite_url, "TIMEOUT__PAYMENT": "2", "TIMEOUT__TELEGRAM": "2", **given}
        file = tmp_path / "shop.env"
        file.write_text("".join(f"VEILBOT_{name}={value}\n" for name, value in named.items()))
        findings = await examine(file)
        said = "".join(f"{finding.says} {finding.mend}" for finding in findings)
        for secret in (SECRET_KEY, WEBHOOK_SECRET, TOKEN, "hunter2", SECRET_PATH):
            assert secret not in said
        assert all(finding.ok or finding.mend for finding in findings)
        return {finding.check: finding for finding in findings}

    for name in ("STRIPE__API_BASE", "TELEGRAM__API_BASE"):
        monkeypatch.delenv(f"VEILBOT_{name}", raising=False)
    return act


def nowhere() -> str:
    """Return an address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@asynccontextmanager
async def answering(body: str) -> AsyncIterator[str]:
    """Serve one answer to everything, as a wrong address does."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close"
        writer.write(f"{head}\r\n\r\n{body}".encode())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


class TestStripe:
    async def test_it_is_asked(self, look: Look) -> None:
        async with serve_stripe() as served:
            found = await look(**STRIPE, STRIPE__API_BASE=served.api_base)
        assert found["stripe"].ok
        assert found["stripe webhook"].ok
        assert "/webhooks/stripe" in found["stripe webhook"].says

    async def test_a_wrong_key_is_told_and_not_shown(self, look: Look) -> None:
        wrong = "sk_test_canary_wrong"
        async with serve_stripe() as served:
            found = await look(**{**STRIPE, "STRIPE__SECRET_KEY": wrong}, STRIPE__API_BASE=served.api_base)
        assert not found["stripe"].ok
        assert "AuthenticationError" in found["stripe"].says
        assert "VEILBOT_STRIPE__SECRET_KEY" in found["stripe"].mend
        assert wrong not in str(found)

    async def test_an_address_where_nobody_is_is_told(self, look: Look) -> None:
        found = await look(**STRIPE, STRIPE__API_BASE=f"http://{nowhere()}")
        assert found["stripe"].says == "Stripe cannot be reached"
        assert "VEILBOT_STRIPE__API_BASE" in found["stripe"].mend
        assert "bot" in found

    @pytest.mark.parametrize("body", ["{}", "[]", "null", "<html>", '{"data": 7}', '{"data": [{}]}'])
    async def test_one_who_is_not_stripe_is_told(self, look: Look, body: str) -> None:
        async with answering(body) as url:
            found = await look(**STRIPE, STRIPE__API_BASE=url)
        assert not found["stripe"].ok
        assert "bot" in found

    @pytest.mark.parametrize("public", ["http://shop.example", "https://127.0.0.1", "https://localhost:8443/"])
    def test_an_address_that_stripe_cannot_call_is_told(self, public: str) -> None:
        given = {"secret_key": SECRET_KEY, "webhook_secret": (WEBHOOK_SECRET,)}
        (real,) = _stripe(load(env_file=None, public_url=public, stripe=Stripe.model_validate(given)))
        assert (real.check, real.ok) == ("stripe webhook", False)
        assert "VEILBOT_PUBLIC_URL" in real.mend
        given["api_base"] = "http://127.0.0.1:1"
        (other,) = _stripe(load(env_file=None, public_url=public, stripe=Stripe.model_validate(given)))
        assert other.ok  # whoever stands in for Stripe may stand anywhere


class TestBot:
    async def test_a_bot_that_polls_needs_no_webhook(self, look: Look) -> None:
        async with opened() as local:
            found = await look(TELEGRAM__TOKEN=TOKEN, TELEGRAM__API_BASE=local.url)
            assert found["bot"].ok
            assert "bot webhook" not in found
            await local.call("setWebhook", url=f"https://other.example/{SECRET_PATH}")
            found = await look(TELEGRAM__TOKEN=TOKEN, TELEGRAM__API_BASE=local.url)
            assert not found["bot webhook"].ok
            assert "other.example" in found["bot webhook"].says

    async def test_a_webhook_is_ours_and_delivers(self, look: Look) -> None:
        async with opened() as local:
            hooked = {"TELEGRAM__TOKEN": TOKEN, "TELEGRAM__API_BASE": local.url, "TELEGRAM__MODE": "webhook"}
            hooked |= {"TELEGRAM__WEBHOOK_SECRET": "hunter2", "PUBLIC_URL": f"{PUBLIC}/"}
            found = await look(**hooked)
            assert (found["bot"].ok, found["bot webhook"].ok) == (True, False)  # nobody has told Telegram yet
            local.sandbox.webhook = {"url": f"https://other.example/{SECRET_PATH}", "max_connections": 1}
            assert "other.example" in (await look(**hooked))["bot webhook"].says
            local.sandbox.webhook = {"url": HOOK, "max_connections": 1}
            found = await look(**hooked)
            assert found["bot webhook"].ok
            assert "0 updates wait" in found["bot webhook"].says

    @pytest.mark.parametrize(("age", "waiting", "ok"), [(60, 2, False), (60, 0, True), (86400, 2, True)])
    async def test_deliveries_that_fail_now_are_told(self, look: Look, age: int, waiting: int, ok: bool) -> None:  # noqa: FBT001 - expected
        info = {"url": HOOK, "pending_update_count": waiting, "last_error_date": int(time.time()) - age}
        info["last_error_message"] = "Wrong response from the webhook: 502 Bad Gateway"
        async with telegram(info) as url:
            found = await look(
                TELEGRAM__TOKEN=TOKEN,
                TELEGRAM__API_BASE=url,
                TELEGRAM__MODE="webhook",
                TELEGRAM__WEBHOOK_SECRET="hunter2",
                PUBLIC_URL=PUBLIC,
            )
        assert found["bot webhook"].ok is ok
        assert f"{waiting} updates wait" in found["bot webhook"].says
        assert "502 Bad Gateway" in found["bot webhook"].says

    @pytest.mark.parametrize("body", ['{"ok": true, "result": 7}', '{"ok": true, "result": {"username": 1}, "x": []}'])
    async def test_one_who_is_not_telegram_is_told(self, look: Look, body: str) -> None:
        async with answering(body) as url:
            found = await look(
                TELEGRAM__TOKEN=TOKEN, TELEGRAM__API_BASE=url, TELEGRAM__MODE="webhook", TELEGRAM__WEBHOOK_SECRET="x"
            )
        assert not all(finding.ok for check, finding in found.items() if check.startswith("bot"))
        assert "servers" in found


@asynccontextmanager
async def telegram(info: Mapping[str, object]) -> AsyncIterator[str]:
    """A Telegram that says this about its deliveries."""
    async with opened() as local:
        state = local.sandbox
        state.webhook = {"url": info["url"], "max_connections": 1}
        state.webhook_trouble = {name: value for name, value in info.items() if name.startswith("last_error")}
        for number in range(int(str(info["pending_update_count"]))):
            state.updates.pending[number] = {"update_id": number, "message": {"from": {"id": number}}}
        yield local.url


class TestOneTroubleBesideAnother:
    async def test_every_one_that_is_down_has_a_line(self, look: Look, sqlite_url: str) -> None:
        settings = load(env_file=None, database_url=sqlite_url, allow_private_servers=True)
        async with open_container(settings) as container:
            endpoint = {"api_url": f"https://{nowhere()}/x", "cert_sha256": "0" * 64}
            draft = Draft(name="A", protocol=Protocol.OUTLINE, country="NL", endpoint=endpoint)
            await container.application().fleet.add(draft, probe=False)
        away = {"REDIS_URL": f"redis://:hunter2@{nowhere()}/0", "BROKER_URL": f"amqp://a:hunter2@{nowhere()}/"}
        found = await look(**away, **STRIPE, STRIPE__API_BASE=f"http://{nowhere()}", ALLOW_PRIVATE_SERVERS="true")
        failed = {check for check, finding in found.items() if not finding.ok}
        assert failed == {"redis", "broker", "stripe", "bot", "server A", "tariffs"}
        assert "VEILBOT_REDIS_URL" in found["redis"].says
        assert "VEILBOT_BROKER_URL" in found["broker"].says
        assert found["database"].ok
        assert found["sealed values"].ok

    async def test_addresses_that_are_none_have_a_line_each(self, look: Look) -> None:
        found = await look(REDIS_URL="http://hunter2", BROKER_URL="http://hunter2", DATABASE_URL="hunter2")
        assert {"redis", "broker", "database", "payments", "bot"} == {c for c, f in found.items() if not f.ok}

    async def test_a_database_that_is_away_does_not_hide_the_bot(self, look: Look) -> None:
        found = await look(DATABASE_URL=f"postgresql+asyncpg://shop:hunter2@{nowhere()}/shop")
        assert not found["database"].ok
        assert {"payments", "bot"} <= set(found)
        assert "servers" not in found
