"""The demo: the real bot, API and worker against the sandbox, in one process."""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import Receive, Scope, Send

from veilbot_adapters.database import migrate
from veilbot_adapters.sealing import new_key
from veilbot_core.application import Application
from veilbot_core.domain.errors import InvalidInput
from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.services.fleet import Draft
from veilbot_runners import serving
from veilbot_runners.container import open_container
from veilbot_runners.sandbox import backstage
from veilbot_runners.sandbox.home import Place, home_page
from veilbot_runners.sandbox.keeping import keeping
from veilbot_runners.sandbox.outline import OutlineSandbox, outline_router
from veilbot_runners.sandbox.stripe import StripeSandbox, stripe_router
from veilbot_runners.sandbox.telegram import TelegramSandbox, telegram_router
from veilbot_runners.sandbox.v2ray import V2RaySandbox, v2ray_router
from veilbot_runners.sandbox.xray import real_xray
from veilbot_runners.settings import Settings, Stripe, Telegram, load

OPERATOR = 1000
_ALERTS = "The operator's alerts come here."
_SERVERS = {"Amsterdam 1": "NL", "Frankfurt 1": "DE", "Frankfurt 2": "DE"}
_CORES = {"Frankfurt 3": "DE"}
PORTS = 5
"""One for each server's API, and one for what a real Xray serves."""
_TARIFFS = (
    (Terms(name="Week", days=7, traffic_limit=20 * 10**9), {"USD": 149, "RUB": 14900}),
    (Terms(name="Month", days=30, traffic_limit=100 * 10**9), {"USD": 499, "RUB": 49900}),
    (Terms(name="Season", days=90, protocols=(Protocol.OUTLINE, Protocol.V2RAY)), {"USD": 1299, "RUB": 129900}),
    (Terms(name="Year", days=365), {"USD": 3999, "RUB": 399000}),
)
PLACES = (
    Place(name="home", title="Home", url="/"),
    Place(
        name="bot", title="Talk to the bot", url="/sandbox/telegram", about="a messenger with the shop's real bot in it"
    ),
    Place(
        name="backstage",
        title="Backstage",
        url=backstage.PATH,
        about="VPN servers and payments, to look at and to break",
    ),
    Place(name="documentation", title="API documentation", url="/schema", about="every route of the shop's HTTP API"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the demo made up for itself; kept, so that a second start finds the same shop."""

    seed: str
    telegram_token: str
    stripe_key: str
    webhook_secret: str
    encryption_key: str
    servers_at: int
    """The first of the servers' ports; they keep them, wherever the pages are."""
    api_key: str = ""

    @classmethod
    def read(cls, folder: Path, port: int) -> "Credentials":
        """Return the folder's credentials, made now for a demo on ``port`` if there are none."""
        path = folder / "credentials.json"
        if path.exists():
            try:
                known = cls(**json.loads(path.read_text(encoding="utf-8")))
            except (ValueError, TypeError):
                raise InvalidInput(f"{path} cannot be read; start over with --fresh") from None
            return known if known.api_key else replace(known, servers_at=port + 1)  # no server has its place yet
        made = cls(
            seed=secrets.token_hex(16),
            telegram_token=f"{secrets.randbelow(10**9) + 10**9}:{secrets.token_urlsafe(26)}",
            stripe_key=f"sk_test_{secrets.token_hex(16)}",
            webhook_secret=f"whsec_{secrets.token_hex(16)}",
            encryption_key=new_key(),
            servers_at=port + 1,
        )
        made.write(folder)
        return made

    def write(self, folder: Path) -> None:
        """Keep them, for the owner's eyes only."""
        path = folder / "credentials.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")


def demo_settings(folder: Path, port: int, made: Credentials) -> Settings:
    """Return settings of a shop whose whole outside is the sandbox on ``port``."""
    url = f"http://127.0.0.1:{port}"
    return load(
        env_file=None,
        env="dev",
        database_url=f"sqlite+aiosqlite:///{folder / 'veilbot.db'}",
        public_url=url,
        return_url=f"{url}/sandbox/telegram",
        listen=f"127.0.0.1:{port}",
        allow_private_servers=True,
        encryption_keys=(made.encryption_key,),
        telegram=Telegram.model_validate(
            {"token": made.telegram_token, "api_base": f"{url}/sandbox/telegram", "admin_ids": (OPERATOR,)}
        ),
        stripe=Stripe.model_validate(
            {
                "secret_key": made.stripe_key,
                "webhook_secret": (made.webhook_secret,),
                "api_base": f"{url}/sandbox/stripe",
            }
        ),
    )


def write_settings(folder: Path, settings: Settings, made: Credentials) -> Path:
    """Write the demo's settings for the operator's commands; return where."""
    values = {
        "DATABASE_URL": settings.database_url,
        "ENCRYPTION_KEYS": made.encryption_key,
        "PUBLIC_URL": settings.public_url,
        "LISTEN": settings.listen,
        "ALLOW_PRIVATE_SERVERS": "true",
        "TELEGRAM__TOKEN": made.telegram_token,
        "TELEGRAM__API_BASE": settings.telegram.api_base,
        "TELEGRAM__ADMIN_IDS": OPERATOR,
        "STRIPE__SECRET_KEY": made.stripe_key,
        "STRIPE__WEBHOOK_SECRET": made.webhook_secret,
        "STRIPE__API_BASE": settings.stripe.api_base,
    }
    path = folder / "operator.env"
    path.touch(mode=0o600)
    path.write_text("".join(f"VEILBOT_{name}={value}\n" for name, value in values.items()), encoding="utf-8")
    return path


class Sandbox:
    """Telegram, three Outline servers, one Xray and Stripe on this machine; an async context manager."""

    def __init__(
        self,
        port: int,
        made: Credentials,
        *,
        webhooks: str | None = None,
        servers_at: int | None = None,
        xray: bool = False,
    ) -> None:
        """Make a sandbox whose pages are on ``port``.

        Args:
            port: where `app` is served.
            made: what the shop and the sandbox agree on.
            webhooks: the shop's address, where it is not on the same port.
            servers_at: the first of the servers' ports, where it is not the credentials'; 0 takes any.
            xray: run a real Xray at the same address instead of the one that only answers.
        """
        url = f"http://127.0.0.1:{port}"
        first = made.servers_at if servers_at is None else servers_at
        self.telegram = TelegramSandbox(made.telegram_token)
        self.stripe = StripeSandbox(made.stripe_key, made.webhook_secret, f"{webhooks or url}/webhooks/stripe", url)
        ports = {name: first and first + index for index, name in enumerate([*_SERVERS, *_CORES])}
        self.outline = OutlineSandbox({name: ports[name] for name in _SERVERS}, seed=made.seed)
        self.v2ray = V2RaySandbox({} if xray else {name: ports[name] for name in _CORES})
        self._real = first + len(_SERVERS) if xray else None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for part in (self.telegram, self.stripe, self.outline, self.v2ray):
            await self._stack.enter_async_context(part)
        if self._real is not None:
            await self._stack.enter_async_context(real_xray(self._real, self._real + 1))
        self.telegram.chats.open(OPERATOR, "Operator", "en").purpose = _ALERTS
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def app(self, credentials: Mapping[str, str]) -> Litestar:
        """Return its HTTP side, with the page that tells where everything is."""
        servers = [outline_router(self.outline), v2ray_router(self.v2ray)]
        routers = [telegram_router(self.telegram), *servers, stripe_router(self.stripe)]
        routers.append(backstage.router(self.outline, self.v2ray, self.stripe))
        home = home_page(PLACES[1:], credentials)
        return Litestar(route_handlers=[*routers, home], openapi_config=None, logging_config=None)


def beside(sandbox: Litestar, shop: serving.Asgi) -> serving.Asgi:
    """Put the sandbox and the shop behind one address; the shop's lifespan is the one that counts."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        mine = scope["type"] == ScopeType.HTTP and (path == "/" or path.startswith("/sandbox"))
        await (sandbox if mine else shop)(scope, receive, send)

    return app


async def seed(shop: Application, sandbox: Sandbox, made: Credentials) -> None:
    """Fill an empty shop: tariffs, and servers in two countries."""
    if not await shop.catalog.all():
        for terms, prices in _TARIFFS:
            await shop.catalog.add(terms, prices)
    known = {server.name for server in await shop.fleet.all()}
    for name, country in _SERVERS.items():
        if name not in known:
            server = sandbox.outline.servers[name]
            endpoint = {"api_url": server.api_url, "cert_sha256": server.cert_sha256}
            await shop.fleet.add(Draft(name=name, protocol=Protocol.OUTLINE, country=country, endpoint=endpoint))
    for name, country in _CORES.items():
        if name not in known:
            api = made.servers_at + len(_SERVERS)
            endpoint = {"api": f"127.0.0.1:{api}", "inbound": "in", "address": "127.0.0.1", "port": str(api + 1)}
            await shop.fleet.add(Draft(name=name, protocol=Protocol.V2RAY, country=country, endpoint=endpoint))


def _check_ports(made: Credentials) -> None:
    """Say what is taken before anything is made."""
    for place in range(made.servers_at, made.servers_at + PORTS):
        try:
            serving.listen("127.0.0.1", place).close()
        except InvalidInput as error:
            away = "another --port with --fresh, which starts over" if made.api_key else "another --port"
            raise InvalidInput(f"{str(error).partition(';')[0]}, where a server of the demo is; try {away}") from None


async def run_demo(
    folder: Path,
    port: int,
    made: Credentials,
    stop: asyncio.Event,
    *,
    xray: bool = False,
    tell: Callable[[Mapping[str, str]], None],
) -> None:
    """Run the shop and its whole world until ``stop``; ``tell`` hears where everything is, by name, when it is."""
    settings = demo_settings(folder, port, made)
    _check_ports(made)
    sock = serving.listen("127.0.0.1", port)
    await migrate(settings.database_url)
    async with (
        Sandbox(port, made, xray=xray) as sandbox,
        keeping(folder / "world.json", sandbox.telegram, sandbox.stripe, sandbox.outline),
        open_container(settings) as container,
    ):
        shop = container.application()
        if not made.api_key:  # before there is a server, so that these have their ports from the first
            _, secret = await shop.api_keys.add("demo", ["*"])
            made = replace(made, api_key=secret)
            made.write(folder)
        await seed(shop, sandbox, made)
        for server in await shop.fleet.all():
            await shop.provisioning.reconcile(server.id)  # the Xray forgets its keys when it ends
        tell(
            {place.name: settings.public_url + place.url for place in PLACES}
            | {"api_key": made.api_key, "env_file": str(write_settings(folder, settings, made))}
        )
        await serving.run_parts(
            settings,
            container,
            stop,
            parts=serving.PARTS,
            modules=serving.MODULES,
            sock=sock,
            wrap=lambda app: beside(sandbox.app({"API key": made.api_key}), app),
            farewell=sandbox.telegram.stop,
        )
