"""Settings: environment variables and ``.env``, prefix ``VEILBOT_``, nested with ``__``."""

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from veilbot_core.domain.currency import check_currency
from veilbot_core.domain.errors import InvalidInput, because

PREFIX = "VEILBOT_"
_TESTS = "VEILBOT_TEST_"
"""Variables of the project's own tests, which may run beside any setting."""
_FOREIGN = re.compile(r"[\udc80-\udcff]")
"""How Python reads bytes of the environment that are no UTF-8 (PEP 383)."""
_ENCODING = "utf-8-sig"
"""Of the settings file; some editors begin UTF-8 with a mark."""


def _split(value: object) -> object:
    """Read ``a, b`` as a list; the environment knows only text."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _empty(value: object) -> object:
    """An empty variable is one that is not set."""
    return None if value == "" else value


def _currency(code: str) -> str:
    try:
        check_currency(code)
    except InvalidInput:
        raise PydanticCustomError("currency", "must be a currency that people pay with (ISO 4217, or XTR)") from None
    return code


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise PydanticCustomError("cidr", "must be networks like 10.0.0.0/8") from None
    return value


def _url(value: str) -> str:
    """Take an address as it is written, without the slash at its end."""
    try:
        parts = urlsplit(value)
        whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise PydanticCustomError("url", "must be an address like https://shop.example")
    return value.rstrip("/")


Secret = Annotated[SecretStr | None, BeforeValidator(_empty)]
Text = Annotated[str | None, BeforeValidator(_empty)]
SecretList = Annotated[tuple[SecretStr, ...], BeforeValidator(_split)]
TextList = Annotated[tuple[str, ...], BeforeValidator(_split)]
Numbers = Annotated[tuple[int, ...], BeforeValidator(_split)]
Ports = Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], BeforeValidator(_split)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Telegram(_Part):
    """The bot; without a token there is none."""

    token: Secret = None
    api_base: Text = None
    mode: Literal["polling", "webhook"] = "polling"
    webhook_secret: Secret = None
    admin_ids: Numbers = ()


class Stripe(_Part):
    """Payments by Stripe; without a secret key there are none."""

    secret_key: Secret = None
    webhook_secret: SecretList = ()
    api_base: Text = None


class Worker(_Part):
    """How jobs are run."""

    lease_seconds: Annotated[float, Field(ge=1, le=3600)] = 30.0
    poll_seconds: Seconds = 1.0
    sweep_seconds: Seconds = 30.0
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 8
    slots: Annotated[int, Field(ge=1, le=1000)] = 64
    drain_seconds: Seconds = 25.0


class Timeout(_Part):
    """How long things may take, in seconds."""

    server: Seconds = 10.0
    payment: Seconds = 10.0
    telegram: Seconds = 10.0
    webhook: Seconds = 1.0


class Limit(_Part):
    """Numbers of the shop."""

    order_minutes: Annotated[int, Field(ge=31, le=1439)] = 60
    grace_hours: Annotated[int, Field(ge=0, le=720)] = 24
    removals: Count = 50
    server_calls: Annotated[int, Field(ge=1, le=100)] = 4
    api_per_minute: Count = 600
    requests: Annotated[int, Field(ge=1, le=10_000)] = 256
    messages_per_second: Annotated[int, Field(ge=0, le=1000)] = 25


DEFAULT_FILE = Path(".env")
"""May be missing; the environment may say everything."""


class Settings(BaseSettings):
    """Everything that an operator may set; see ``env.example``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file_encoding=_ENCODING,
        enable_decoding=False,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    env: Literal["dev", "test", "prod"] = "dev"
    database_url: Annotated[str, Field(repr=False)] = "sqlite+aiosqlite:///veilbot.db"
    redis_url: Secret = None
    broker_url: Secret = None
    encryption_keys: SecretList = ()
    public_url: Annotated[str, AfterValidator(_url)] = "http://127.0.0.1:8080"
    link_urls: TextList = ()
    return_url: Text = None
    listen: str = "127.0.0.1:8080"
    trusted_proxies: Annotated[tuple[Annotated[str, BeforeValidator(_network)], ...], BeforeValidator(_split)] = ()
    allow_private_servers: bool = False
    local_api_ports: Ports = ()
    currency: Annotated[str, AfterValidator(_currency)] = "USD"
    support_url: Text = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    failpoint: Text = None
    telegram: Telegram = Telegram()
    stripe: Stripe = Stripe()
    worker: Worker = Worker()
    timeout: Timeout = Timeout()
    limit: Limit = Limit()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the API."""
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise InvalidInput("VEILBOT_LISTEN must be HOST:PORT", field="VEILBOT_LISTEN")
        return host.strip("[]"), int(port)

    def secrets(self) -> Iterator[str]:
        """Yield every secret value, for the log's redaction."""
        urls = (self.redis_url, self.broker_url)
        parts = (*urls, self.telegram.token, self.telegram.webhook_secret, self.stripe.secret_key)
        held = [s.get_secret_value() for s in (*parts, *self.stripe.webhook_secret, *self.encryption_keys) if s]
        for url in (self.database_url, *(url.get_secret_value() for url in urls if url)):
            held += _passwords(url)
        yield from (secret for secret in held if len(secret) >= 8)


def _passwords(url: str) -> list[str]:
    """Return the password inside an address as it is written, and as it is meant."""
    try:
        written = urlsplit(url).password or ""
    except ValueError:
        return []
    return [written, unquote(written)]


def load(*, env_file: Path | None = DEFAULT_FILE, **given: object) -> Settings:
    """Read the settings and refuse wrong ones; what is ``given`` wins over the environment, that over ``env_file``.

    Raises:
        InvalidInput: one sentence that names the variable and never its value.
    """
    names = {*os.environ, *read_file(env_file)}
    ours = {name.upper() for name in names if name.upper().startswith(PREFIX)}
    if unknown := sorted(name for name in ours - _known() if not name.startswith(_TESTS)):
        raise InvalidInput(
            f"{unknown[0]} is not a setting of VeilBot; `veilbot init` writes down all there are", field=unknown[0]
        )
    for name, value in os.environ.items():
        if name.upper() in ours and _FOREIGN.search(value):
            raise InvalidInput(f"{name.upper()} is not text in UTF-8", field=name.upper())
    try:
        settings = Settings(_env_file=env_file, **given)  # type: ignore[call-arg, arg-type]  # pydantic-settings takes it
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        name = PREFIX + "__".join(str(part).upper() for part in first["loc"] if isinstance(part, str))
        raise InvalidInput(f"{name}: {first['msg']}", field=name) from None
    check(settings)
    return settings


def read_file(env_file: Path | None) -> Mapping[str, str | None]:
    """Return what a settings file says; only the default one may be missing. Raises InvalidInput."""
    try:
        if env_file is None or (env_file == DEFAULT_FILE and not env_file.exists()):
            return {}
        if not env_file.exists():
            raise InvalidInput(f"there is no settings file {env_file}")
        if not env_file.is_file():  # a pipe could be read once only
            raise InvalidInput(f"the settings file {env_file} is no file")
        text = env_file.read_text(encoding=_ENCODING)
    except OSError as error:
        raise InvalidInput(f"the settings file {env_file} cannot be read: {because(error)}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"the settings file {env_file} is not text in UTF-8: look at line {line}") from None
    return dotenv_values(stream=StringIO(text))


def _known() -> set[str]:
    known = set()
    for name, field in Settings.model_fields.items():
        part = field.annotation
        if isinstance(part, type) and issubclass(part, _Part):
            known |= {f"{PREFIX}{name}__{inner}".upper() for inner in part.model_fields}
        else:
            known.add(f"{PREFIX}{name}".upper())
    return known


def check(settings: Settings) -> None:
    """Refuse combinations that would fail later or be unsafe, whoever made them. Raises InvalidInput."""
    settings.address  # noqa: B018 - reading it is the check
    _check_keys(settings)
    telegram, stripe = settings.telegram, settings.stripe
    if telegram.mode == "webhook" and telegram.token and not telegram.webhook_secret:
        _refuse("TELEGRAM__WEBHOOK_SECRET", "is required in webhook mode")
    if stripe.secret_key and not stripe.webhook_secret:
        _refuse("STRIPE__WEBHOOK_SECRET", "is required with a Stripe key: unsigned events are never read")
    if settings.env == "prod":
        _check_prod(settings)


def _check_keys(settings: Settings) -> None:
    """Refuse keys that seal badly before anything is opened or migrated."""
    if not settings.encryption_keys:
        return
    from veilbot_adapters.sealing import SealingSecrets  # noqa: PLC0415 - only a shop with keys pays for it

    try:
        SealingSecrets([key.get_secret_value() for key in settings.encryption_keys])
    except InvalidInput as error:
        raise InvalidInput(f"{PREFIX}ENCRYPTION_KEYS: {error}", field=f"{PREFIX}ENCRYPTION_KEYS") from None


def _check_prod(settings: Settings) -> None:
    if not settings.encryption_keys:
        _refuse("ENCRYPTION_KEYS", "is required in prod; `veilbot init` makes one")
    if settings.failpoint:
        _refuse("FAILPOINT", "is for tests and refused in prod")
    if settings.allow_private_servers:
        _refuse("ALLOW_PRIVATE_SERVERS", "is refused in prod")
    if not settings.public_url.startswith("https://"):
        _refuse("PUBLIC_URL", "must begin with https:// in prod")
    weak = (
        ("TELEGRAM__WEBHOOK_SECRET", settings.telegram.webhook_secret),
        *(("STRIPE__WEBHOOK_SECRET", secret) for secret in settings.stripe.webhook_secret),
    )
    for name, secret in weak:
        text = "".join(secret.get_secret_value().split()) if secret is not None else None
        if text is not None and (len(text) < 16 or len(set(text)) < 6):
            _refuse(name, "is too easy to guess: 16 characters or more, and not always the same")


def _refuse(name: str, why: str) -> None:
    raise InvalidInput(f"{PREFIX}{name} {why}", field=PREFIX + name)
