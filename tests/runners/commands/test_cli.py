"""The command line as an operator meets it: what it prints, where, and how it ends."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.runners.commands.terminal import Run
from typer.main import get_command

from veilbot_adapters.sealing import new_key
from veilbot_runners.cli import app

CANARY = "canary-9d2c"


def test_init_writes_a_private_file_that_is_valid_and_never_overwrites_it(run: Run) -> None:
    assert run("init").code == 0
    assert stat.S_IMODE(Path(".env").stat().st_mode) == 0o600
    before = Path(".env").read_text(encoding="utf-8")
    again = run("init")
    assert again.code == 1
    assert "--force" in again.err
    assert Path(".env").read_text(encoding="utf-8") == before
    assert run("migrate", "--check").code == 1
    assert run("migrate").code == 0
    assert run("migrate", "--check").code == 0


def test_a_command_on_an_old_schema_says_what_to_do(run: Run) -> None:
    done = run("tariff", "list")
    assert done.code == 1
    assert "veilbot migrate" in done.err
    assert done.out == ""


def test_a_tariff_is_priced_in_major_units_and_shown_in_minor_ones(shop: Run) -> None:
    added = shop(
        "tariff", "add", "--name", "Month", "--days", "30", "--price", "USD:4.99", "--price", "jpy:500", "--json"
    )
    assert added.code == 0
    assert added.json["prices"] == [{"amount": 500, "currency": "JPY"}, {"amount": 499, "currency": "USD"}]
    assert [t["name"] for t in shop("tariff", "list", "--json").json["items"]] == ["Month"]
    assert "4.99 USD" in shop("tariff", "list").out
    archived = shop("tariff", "archive", added.json["id"], "--json")
    assert archived.json["archived_at"].endswith("Z")


@pytest.mark.parametrize(
    ("more", "warned"),
    [
        (("--traffic-gb", "5"), False),
        (("--traffic-gb", "5", "--protocol", "v2ray"), True),
        (("--traffic-gb", "5", "--protocol", "outline", "--protocol", "v2ray", "--json"), True),
        (("--protocol", "v2ray"), False),
    ],
)
def test_a_traffic_limit_that_nobody_keeps_is_said_beside_the_answer(
    shop: Run,
    more: tuple[str, ...],
    warned: bool,  # noqa: FBT001
) -> None:
    done = shop("tariff", "add", "--name", "Month", "--days", "30", "--price", "USD:4.99", *more)
    assert done.code == 0
    assert ("Nobody keeps this traffic limit" in done.err) is warned
    assert "Nobody keeps" not in done.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("--days", "0", "--price", "USD:1"),
        ("--days", "30", "--price", "USD:1.999"),
        ("--days", "30", "--price", "foo"),
        ("--days", "30", "--price", "USD:4.99", "--price", "usd:5.99"),
        ("--days", "30", "--price", "USD:foo"),
        ("--days", "30", "--price", "4.99"),
        ("--days", "30", "--price", "USD:-1"),
        ("--days", "30", "--price", "DOLLARS:1"),
        ("--days", "30"),
        ("--days", "30", "--price", "USD:1", "--devices", "0"),
    ],
)
def test_a_wrong_tariff_is_one_sentence_and_changes_nothing(shop: Run, arguments: tuple[str, ...]) -> None:
    done = shop("tariff", "add", "--name", "Month", *arguments)
    assert done.code == 2
    assert done.out == ""
    assert len(done.err.strip().splitlines()) == 1
    assert shop("tariff", "list", "--json").json == {"items": []}


def test_a_secret_is_printed_once(shop: Run) -> None:
    added = shop("apikey", "add", "--name", "me", "--scope", "users:read", "--days", "90", "--json").json
    assert added["secret"].startswith("vb_")
    listed = shop("apikey", "list", "--json")
    shown = shop("apikey", "show", added["id"], "--json")
    assert (shown.json["name"], shown.json["scopes"]) == ("me", ["users:read"])
    assert added["secret"] not in listed.out + shown.out + shop("apikey", "show", added["id"]).out
    assert listed.json["items"][0]["scopes"] == ["users:read"]
    assert shop("apikey", "revoke", added["id"], "--json").json["revoked_at"] is not None


def test_users_are_added_and_listed(shop: Run) -> None:
    assert (
        shop("user", "add", "--name", "Аня", "--telegram-id", "7", "--language", "ru", "--json").json["name"] == "Аня"
    )
    assert shop("user", "add", "--name", "Double", "--telegram-id", "7").code == 1
    assert len(shop("user", "list", "--json").json["items"]) == 1


def test_the_doctor_says_how_to_mend_each_trouble(shop: Run) -> None:
    done = shop("doctor", "--json")
    assert done.code == 1
    found = {item["check"]: item for item in done.json["items"]}
    assert found["database"]["ok"]
    assert all(item["mend"] for item in found.values() if not item["ok"])
    assert {"payments", "bot", "servers", "tariffs"} <= {name for name, item in found.items() if not item["ok"]}


def test_an_encryption_key_is_replaced(shop: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = new_key(), new_key()
    given = ("server", "add", "--name", "A", "--country", "NL", "--api-url", "https://vpn.example/x", "--no-probe")

    def rotated(*keys: str) -> tuple[int, int, int]:
        monkeypatch.setenv("VEILBOT_ENCRYPTION_KEYS", ",".join(keys))
        done = shop("rotate-keys", "--json")
        (server, *_) = done.json["items"]
        assert done.code == bool(server["unreadable"]) == ("VEILBOT_ENCRYPTION_KEYS opens 1" in done.err)
        found = {item["check"]: item["ok"] for item in shop("doctor", "--json").json["items"]}
        assert found["sealed values"] == (not server["unreadable"])
        return server["values"], server["sealed_anew"], server["unreadable"]

    monkeypatch.setenv("VEILBOT_ENCRYPTION_KEYS", old)
    assert shop(*given, "--cert-sha256", "0" * 64).code == 0
    assert rotated(new) == (1, 0, 1)
    assert rotated(new, old) == (1, 1, 0)
    assert rotated(new) == (1, 0, 0)


def test_the_doctor_survives_wrong_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEILBOT_ENV", CANARY)
    done = run("doctor")
    assert done.code == 1
    assert "VEILBOT_ENV" in done.out
    assert CANARY not in done.out + done.err


def test_a_password_in_a_wrong_address_is_not_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEILBOT_DATABASE_URL", f"mysql://shop:{CANARY}@db/shop")
    done = run("user", "list")
    assert done.code == 1
    assert "VEILBOT_DATABASE_URL" in done.err
    assert CANARY not in done.err


def test_the_bot_alone_needs_a_token(shop: Run) -> None:
    done = shop("bot")
    assert done.code == 1
    assert "VEILBOT_TELEGRAM__TOKEN" in done.err


def test_a_token_that_is_none_is_one_sentence(shop: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEILBOT_TELEGRAM__TOKEN", CANARY)
    done = shop("bot")
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("veilbot: VEILBOT_TELEGRAM__TOKEN")
    assert CANARY not in done.err


def test_every_command_that_prints_can_print_json() -> None:
    def without(command: Any, name: str = "") -> set[str]:
        inner = getattr(command, "commands", None)
        if inner is None:
            return set() if any("--json" in option.opts for option in command.params) else {name.strip()}
        return {found for word, one in inner.items() for found in without(one, f"{name} {word}")}

    assert without(get_command(app)) == {"run", "bot", "api", "worker"}


def test_init_says_in_json_what_it_wrote(run: Run) -> None:
    assert run("init", "--json").json == {"path": ".env"}
    again = run("init", "--json")
    assert (again.code, again.out) == (1, "")


def test_the_documents_are_printed_without_a_shop(run: Run) -> None:
    assert run("openapi", "--json").json == run("openapi").json
    assert run("asyncapi", "--json").json == run("asyncapi").json
    assert run("openapi").json["openapi"].startswith("3.1")
    assert [item["point"] for item in run("failpoints", "--json").json["items"]] == [f"C{n}" for n in range(13)]


@pytest.mark.parametrize("where", ["environment", "file"])
def test_there_is_no_demo_in_prod(run: Run, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    if where == "file":
        Path(".env").write_text("VEILBOT_ENV=prod\n")
    else:
        monkeypatch.setenv("VEILBOT_ENV", "prod")
    done = run("demo")
    assert done.code == 1
    assert "VEILBOT_ENV" in done.err
    assert not Path("veilbot-demo").exists()


def test_the_sandbox_cannot_be_imported_in_prod() -> None:
    code = "import veilbot_runners.sandbox.stripe_books"
    environment = {**os.environ, "VEILBOT_ENV": "prod"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ImportError" in done.stderr


def test_the_demo_does_not_delete_what_it_did_not_make(run: Run) -> None:
    Path("veilbot-demo").mkdir()
    Path("veilbot-demo/mine").write_text("precious")
    done = run("demo", "--fresh")
    assert done.code == 1
    assert Path("veilbot-demo/mine").read_text() == "precious"


def test_the_demo_says_where_it_cannot_write(run: Run) -> None:
    Path("veilbot-demo").write_text("a file")
    done = run("demo")
    assert done.code == 1
    assert done.err.startswith("veilbot: the demo keeps its shop in")


def test_the_demo_says_which_port_is_taken(run: Run) -> None:
    """A demo that never opened is not bound to the ports that it first asked for."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        for taken in (one, other):
            port = taken.getsockname()[1]
            done = run("demo", "--port", str(port - 1))
            assert done.code == 1
            assert done.err.startswith(f"veilbot: cannot listen on 127.0.0.1:{port} ")
            assert "--port" in done.err


def test_a_settings_file_that_is_named_must_be_there(run: Run) -> None:
    done = run("--env-file", "elsewhere.env", "tariff", "list")
    assert (done.code, done.out) == (1, "")
    assert done.err == "veilbot: there is no settings file elsewhere.env\n"
    assert run("--env-file", "elsewhere.env", "init").code == 0
    assert run("--env-file", "elsewhere.env", "migrate").code == 0


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("VEILBOT_DATABASE_URL", f"postgresql+asyncpg://shop:{CANARY}@127.0.0.1:1/shop", "Connection refused"),
        ("VEILBOT_DATABASE_URL", "sqlite+aiosqlite:////nowhere/shop.db", "there is no folder /nowhere"),
        ("VEILBOT_REDIS_URL", f"redis://:{CANARY}@127.0.0.1:1/0", "Connection refused"),
    ],
)
def test_what_cannot_be_reached_is_one_sentence_with_its_reason(
    shop: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(variable, value)
    done = shop("migrate" if "DATABASE" in variable else "tariff", *([] if "DATABASE" in variable else ["list"]))
    assert (done.code, done.out) == (1, "")
    assert reason in done.err.splitlines()[-1]
    assert CANARY not in done.err


def test_a_broker_that_cannot_be_reached_is_one_sentence_with_its_reason(
    shop: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VEILBOT_BROKER_URL", f"amqp://shop:{CANARY}@127.0.0.1:1/")
    done = shop("worker")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[-1] == "veilbot: VEILBOT_BROKER_URL: RabbitMQ cannot be reached (Connection refused)"
    assert CANARY not in done.err
