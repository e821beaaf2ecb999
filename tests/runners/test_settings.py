"""Settings: what is wrong is named, and never shown."""

from pathlib import Path

import pytest

from veilbot_adapters.sealing import new_key
from veilbot_core.domain.errors import InvalidInput
from veilbot_runners.container import open_application, open_container
from veilbot_runners.settings import Settings, _known, load

CANARY = "canary-7f3a-secret"
PROD = {
    "VEILBOT_ENV": "prod",
    "VEILBOT_ENCRYPTION_KEYS": new_key(),
    "VEILBOT_PUBLIC_URL": "https://shop.example",
}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"VEILBOT_{name.upper()}", raising=False)


def given(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load(env_file=None)


def test_nothing_set_is_a_shop_on_this_machine() -> None:
    settings = load(env_file=None)
    assert settings.env == "dev"
    assert settings.database_url == "sqlite+aiosqlite:///veilbot.db"
    assert settings.address == ("127.0.0.1", 8080)


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(
        monkeypatch,
        VEILBOT_TELEGRAM__ADMIN_IDS="1, 2",
        VEILBOT_TRUSTED_PROXIES="10.0.0.0/8,::1",
        VEILBOT_LOCAL_API_PORTS="10085, 10086",
        VEILBOT_STRIPE__WEBHOOK_SECRET="whsec_a,whsec_b",
    )
    assert settings.telegram.admin_ids == (1, 2)
    assert settings.local_api_ports == (10085, 10086)
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")
    assert [s.get_secret_value() for s in settings.stripe.webhook_secret] == ["whsec_a", "whsec_b"]


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch, VEILBOT_TELEGRAM__TOKEN="").telegram.token is None


def test_a_slash_at_the_end_of_the_address_is_not_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch, VEILBOT_PUBLIC_URL="https://shop.example/").public_url == "https://shop.example"


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("VEILBOT_CURRENCY=EUR\nVEILBOT_LOG_LEVEL=debug\n")
    monkeypatch.setenv("VEILBOT_CURRENCY", "RUB")
    settings = load(env_file=file)
    assert (settings.currency, settings.log_level) == ("RUB", "debug")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VEILBOT_ENV", CANARY),
        ("VEILBOT_TYPO", CANARY),
        ("VEILBOT_TELEGRAM__TYPO", CANARY),
        ("VEILBOT_TELEGRAM", CANARY),
        ("VEILBOT_TELEGRAM__MODE", CANARY),
        ("VEILBOT_TELEGRAM__ADMIN_IDS", CANARY),
        ("VEILBOT_TRUSTED_PROXIES", CANARY),
        ("VEILBOT_LISTEN", CANARY),
        ("VEILBOT_LOCAL_API_PORTS", CANARY),
        ("VEILBOT_LOCAL_API_PORTS", "10085,70000"),
        ("VEILBOT_PUBLIC_URL", CANARY),
        ("VEILBOT_PUBLIC_URL", f"https://[{CANARY}"),
        ("VEILBOT_LISTEN", "127.0.0.1:99999"),
        ("VEILBOT_CURRENCY", CANARY),
        ("VEILBOT_LIMIT__GRACE_HOURS", "-1"),
        ("VEILBOT_WORKER__LEASE_SECONDS", CANARY),
    ],
)
def test_a_wrong_value_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        given(monkeypatch, **{name: value})
    assert name in str(caught.value)
    assert CANARY not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VEILBOT_ENCRYPTION_KEYS", ""),
        ("VEILBOT_ENCRYPTION_KEYS", "k" * 43),
        ("VEILBOT_ENCRYPTION_KEYS", "short"),
        ("VEILBOT_FAILPOINT", "C7:kill"),
        ("VEILBOT_ALLOW_PRIVATE_SERVERS", "true"),
        ("VEILBOT_PUBLIC_URL", "http://shop.example"),
        ("VEILBOT_TELEGRAM__WEBHOOK_SECRET", "short"),
        ("VEILBOT_TELEGRAM__WEBHOOK_SECRET", " " * 16),
        ("VEILBOT_TELEGRAM__WEBHOOK_SECRET", "a" * 16),
        ("VEILBOT_STRIPE__WEBHOOK_SECRET", "short"),
    ],
)
def test_prod_refuses_what_is_weak(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    given(monkeypatch, **PROD)
    with pytest.raises(InvalidInput, match=name):
        given(monkeypatch, **{name: value})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("ENCRYPTION_KEYS", {"encryption_keys": ()}),
        ("FAILPOINT", {"failpoint": "C7:kill"}),
        ("ALLOW_PRIVATE_SERVERS", {"allow_private_servers": True}),
        ("PUBLIC_URL", {"public_url": "http://shop.example"}),
    ],
)
async def test_prod_refuses_what_a_program_made_itself_too(tmp_path: Path, name: str, wrong: dict[str, object]) -> None:
    file = tmp_path / "shop.db"
    right = {"env": "prod", "encryption_keys": (new_key(),), "public_url": "https://shop.example"}
    url = f"sqlite+aiosqlite:///{file}"
    made = Settings.model_validate({**right, "database_url": url, **wrong})
    for opened in (open_container(made), open_application(made)):
        with pytest.raises(InvalidInput, match=f"VEILBOT_{name}"):
            await opened.__aenter__()
    assert not file.exists(), "it was refused before anything was migrated"


def test_a_gateway_without_its_webhook_secret_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="VEILBOT_STRIPE__WEBHOOK_SECRET"):
        given(monkeypatch, VEILBOT_STRIPE__SECRET_KEY="sk_test_1")


def test_webhook_mode_without_a_secret_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="VEILBOT_TELEGRAM__WEBHOOK_SECRET"):
        given(monkeypatch, VEILBOT_TELEGRAM__TOKEN="1:a", VEILBOT_TELEGRAM__MODE="webhook")


def test_secrets_do_not_show_in_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(monkeypatch, VEILBOT_TELEGRAM__TOKEN=CANARY)
    assert CANARY not in repr(settings)
    assert CANARY in set(settings.secrets())


def test_the_example_names_every_setting_and_no_other() -> None:
    text = Path("src/veilbot_runners/env.example").read_text(encoding="utf-8")
    named = {line.removeprefix("# ").partition("=")[0] for line in text.splitlines() if line.startswith("# VEILBOT_")}
    assert named == _known()


def test_the_example_with_every_line_taken_in_is_valid(tmp_path: Path) -> None:
    text = Path("src/veilbot_runners/env.example").read_text(encoding="utf-8")
    file = tmp_path / ".env"
    file.write_text(text.replace("# VEILBOT_", "VEILBOT_"))
    assert load(env_file=file) == load(env_file=None)
