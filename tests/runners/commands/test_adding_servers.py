"""``veilbot server add``: what is saved, and what a refusal says about the way out."""

from pathlib import Path

import pytest
from tests.runners.commands.terminal import Run

CANARY = "canary-9d2c"


def test_a_server_that_does_not_answer_is_not_saved(shop: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEILBOT_ALLOW_PRIVATE_SERVERS", "true")
    url = f"https://127.0.0.1:1/{CANARY}"
    given = ("server", "add", "--name", "A", "--country", "NL", "--api-url", url, "--cert-sha256", "0" * 64)
    done = shop(*given)
    assert done.code == 1
    assert CANARY not in done.err
    assert "127.0.0.1 cannot be reached (Connection refused), so nothing was saved" in done.err
    assert "--no-probe" in done.err
    assert shop("server", "list", "--json").json == {"items": []}
    assert shop(*given, "--no-probe").code == 0
    listed = shop("server", "list", "--json")
    assert CANARY not in listed.out
    passed = shop("reconcile", "--dry-run", "--json")
    assert passed.code == 1
    assert passed.json["items"][0]["error"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.1.2.3"])
def test_a_server_inside_is_refused_by_the_setting_that_would_allow_it(shop: Run, host: str) -> None:
    given = ("server", "add", "--name", "A", "--country", "NL", "--cert-sha256", "0" * 64, "--api-url")
    done = shop(*given, f"https://{host}:1/x")
    assert (done.code, done.out) == (2, "")
    assert "VEILBOT_ALLOW_PRIVATE_SERVERS=true" in done.err
    assert "--no-probe" not in done.err  # it would not help


def test_a_database_that_is_away_is_not_taken_for_the_server(shop: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEILBOT_DATABASE_URL", "postgresql+asyncpg://shop@127.0.0.1:1/shop")
    given = ("server", "add", "--name", "A", "--country", "NL", "--cert-sha256", "0" * 64, "--api-url")
    done = shop(*given, "https://vpn.example/x")
    assert done.code == 1
    assert "--no-probe" not in done.err


def test_a_v2ray_server_is_described_by_its_options(shop: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ("server", "add", "--protocol", "v2ray", "--name", "B", "--country", "DE", "--api", "127.0.0.1:1")
    rest = (
        "--inbound",
        "in",
        "--address",
        "vpn.example.com",
        "--port",
        "443",
        "--security",
        "tls",
        "--sni",
        "a.example",
    )
    closed = shop(*given, *rest)
    assert (closed.code, "add 1 to VEILBOT_LOCAL_API_PORTS" in closed.err) == (2, True)
    assert "--no-probe" not in closed.err  # it would not help
    monkeypatch.setenv("VEILBOT_LOCAL_API_PORTS", "1")
    silent = shop(*given, *rest)
    assert (silent.code, "--no-probe" in silent.err) == (1, True)
    assert shop(*given, *rest, "--no-probe", "--json").json["protocol"] == "v2ray"
    wrong = shop(*given, *rest, "--network", "smoke", "--no-probe")
    assert (wrong.code, "tcp, ws, grpc" in wrong.err) == (2, True)
    absent = shop(*given, *rest, "--client-cert", str(tmp_path / "absent.pem"), "--no-probe")
    assert (absent.code, "cannot be read" in absent.err) == (2, True)
