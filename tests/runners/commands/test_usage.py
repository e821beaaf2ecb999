"""Wrong usage is told apart from everything else that can go wrong: exit 2, and nothing was done."""

from pathlib import Path
from uuid import UUID

import pytest
from tests.runners.commands.terminal import Run

from veilbot_adapters.sealing import new_key


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("tariff", "add"),
        ("tariff", "archive", "no-id"),
        ("demo", "--port", "x"),
        ("subscription", "extend", str(UUID(int=1)), "--days", "0"),
    ],
)
def test_wrong_usage_ends_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).code == 2


OUTLINE = ("server", "add", "--name", "A", "--country", "NL")
V2RAY = ("server", "add", "--name", "A", "--country", "DE", "--protocol", "v2ray")
NOBODY = "0199a7d2-7c1e-7a70-8f4e-2b6f0c9d1e55"


@pytest.mark.parametrize(
    "arguments",
    [
        ("settle", "--since", "yesterday"),
        ("settle", "--since", "99d"),
        ("simulate", "--faults", "x"),
        ("apikey", "add", "--name", "me", "--scope", "users:rule"),
        ("apikey", "add", "--name", "me", "--scope", "*", "--days", "99999"),
        ("apikey", "add", "--name", "", "--scope", "*"),
        ("user", "add", "--name", ""),
        ("user", "add", "--name", "Ann", "--telegram-id", "0"),
        ("key", "give", "--user", NOBODY, "--tariff", NOBODY, "--days", "1", "--country", "Holland"),
        OUTLINE,
        (*OUTLINE, "--api-url", "https://vpn.example/x"),
        (*OUTLINE, "--cert-sha256", "0" * 64),
        (*OUTLINE, "--api-url", "http://vpn.example/x", "--cert-sha256", "0" * 64),
        (*OUTLINE, "--access-json", "{}"),
        (*OUTLINE, "--inbound", "in"),
        (*OUTLINE, "--client-cert", "absent.pem"),
        V2RAY,
        (*V2RAY, "--api", "127.0.0.1:1"),
        (*V2RAY, "--api", "127.0.0.1:1", "--inbound", "in", "--address", "vpn.example"),
        (*V2RAY, "--api-url", "https://vpn.example/x"),
    ],
)
def test_an_argument_that_is_not_acceptable_is_wrong_usage(shop: Run, arguments: tuple[str, ...]) -> None:
    done = shop(*arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("veilbot: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [("DATABASE_URL", "nonsense"), ("REDIS_URL", "nonsense"), ("ENCRYPTION_KEYS", "nonsense"), ("ENV", "nonsense")],
)
@pytest.mark.parametrize("command", [("order", "list"), ("migrate",), ("run",)])
def test_a_setting_that_is_not_acceptable_is_not_wrong_usage(
    shop: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv(f"VEILBOT_{name}", value)
    if command == ("migrate",) and name == "REDIS_URL":
        return
    done = shop(*command)
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[-1].startswith(f"veilbot: VEILBOT_{name}")


@pytest.mark.parametrize("modules", ["users,shop", "", "users,"])
def test_a_module_that_there_is_not_is_one_sentence(run: Run, modules: str) -> None:
    done = run("api", "--modules", modules)
    assert done.code == 2
    assert done.err.startswith("veilbot: there is no module ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("weak", ["k" * 43, "0" * 43, "short", "no base64!", f"{new_key()},weak"])
@pytest.mark.parametrize(
    "command", [("migrate",), ("migrate", "--check"), ("run",), ("worker",), ("order", "list"), ("openapi",)]
)
def test_weak_encryption_keys_are_refused_in_prod_before_anything_is_made(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weak: str, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("VEILBOT_ENV", "prod")
    monkeypatch.setenv("VEILBOT_PUBLIC_URL", "https://shop.example")
    monkeypatch.setenv("VEILBOT_ENCRYPTION_KEYS", weak)
    done = run(*command)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("veilbot: VEILBOT_ENCRYPTION_KEYS: encryption key")
    assert weak not in done.err
    assert list(tmp_path.iterdir()) == []
