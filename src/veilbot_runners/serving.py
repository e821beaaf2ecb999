"""Serving: the bot, the API and the worker in one process, until they are told to stop."""

import asyncio
import gc
import signal
import socket
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import structlog
import uvicorn

from veilbot_core.domain.errors import InvalidInput
from veilbot_runners import backends
from veilbot_runners.connections import BoundedProtocol, Bounds
from veilbot_runners.container import Container, open_broker, open_container
from veilbot_runners.settings import Settings
from veilbot_runners.worker import Worker

if TYPE_CHECKING:
    from litestar import Litestar

    from veilbot_runners.bot import TelegramBot

_LOG = structlog.get_logger(__name__)
MODULES = ("users", "billing", "vpn", "admin", "webhooks", "links")
PARTS = ("bot", "api", "worker")
Asgi = Callable[[Any, Any, Any], Awaitable[None]]


class _Server(uvicorn.Server):
    """A uvicorn that leaves signals to us: one of several parts, not the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """Take the address before anything else starts. Raises InvalidInput when it is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY only by this
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(2048)  # who comes before we serve waits a moment instead of being refused
    except OSError as error:
        sock.close()
        raise InvalidInput(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another by VEILBOT_LISTEN (the demo: --port)",
            field="VEILBOT_LISTEN",
        ) from None
    return sock


async def serve_http(
    app: Asgi,
    sock: socket.socket,
    stop: asyncio.Event,
    *,
    drain: float = 10.0,
    bounds: Bounds = Bounds(),  # noqa: B008 - frozen
) -> None:
    """Serve an ASGI application on a bound socket until ``stop`` is set; what has begun then gets ``drain`` seconds."""
    config = uvicorn.Config(
        app,
        http=cast("Any", partial(BoundedProtocol, bounds=bounds)),
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        proxy_headers=False,  # we read them ourselves, and believe only those whom the settings name
        ws="none",
        timeout_graceful_shutdown=int(drain),
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[sock]))
        stopped = group.create_task(stop.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        stopped.cancel()


def watch_signals(stop: asyncio.Event) -> None:
    """Let SIGINT and SIGTERM ask for a graceful end; the second one ends the process at once."""
    loop = asyncio.get_running_loop()
    signs = (signal.SIGINT, signal.SIGTERM)

    def asked() -> None:
        stop.set()
        for sign in signs:
            loop.remove_signal_handler(sign)
            signal.signal(sign, signal.SIG_DFL)

    for sign in signs:
        loop.add_signal_handler(sign, asked)


def calm_gc() -> None:
    """Take what was loaded at start out of the collector's passes: 100 ms pauses become 15 (performance.md, 4)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


async def serve(
    settings: Settings,
    stop: asyncio.Event,
    *,
    parts: Collection[str] = PARTS,
    modules: Collection[str] = MODULES,
    **overrides: object,
) -> None:
    """Run the chosen parts side by side; what one of them cannot survive ends all of them.

    ``overrides`` bring adapters of your own, as in `open_container`.

    Raises:
        Rejected: the database's schema is not this version's.
        InvalidInput: a part cannot start with these settings.
    """
    sock = listen(*settings.address) if "api" in parts else None
    with sock or nullcontext():
        async with open_container(settings, **overrides) as container:
            await container.storage().check()
            await run_parts(settings, container, stop, parts=parts, modules=modules, sock=sock)


async def run_parts(
    settings: Settings,
    container: Container,
    stop: asyncio.Event,
    *,
    parts: Collection[str],
    modules: Collection[str],
    sock: socket.socket | None,
    wrap: Callable[[Asgi], Asgi] | None = None,
    farewell: Callable[[], None] | None = None,
) -> None:
    """Run parts on an open container.

    Args:
        settings: the shop's.
        container: the shop.
        stop: set it to end.
        parts: some of `PARTS`.
        modules: of the API.
        sock: where the API is served, bound.
        wrap: puts something around the HTTP application.
        farewell: keeps HTTP up until the other parts have ended, and is called then; for those who live on it.
    """
    hooked = settings.telegram.mode == "webhook" and "api" in parts and "webhooks" in modules
    bot = None
    if settings.telegram.token is not None and ("bot" in parts or hooked):
        bot = make_bot(settings, container)
    closing = stop if farewell is None else asyncio.Event()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as outer:
        if "worker" in parts:
            await stack.enter_async_context(open_broker(container))
        if bot is not None:
            stack.push_async_callback(bot.close)
        if sock is not None:
            app = make_api(settings, container, modules, bot)
            outer.create_task(serve_http(wrap(app) if wrap else app, sock, closing))
        async with asyncio.TaskGroup() as group:
            if bot is not None and "bot" in parts:
                group.create_task(bot.poll(stop) if settings.telegram.mode == "polling" else bot.announce(stop))
            if "worker" in parts:
                group.create_task(make_worker(settings, container).run(stop))
            calm_gc()
            _say_what_is_off(settings, parts)
            _LOG.info("started", parts=sorted(parts), listen=settings.listen if sock else None)
            group.create_task(stop.wait())
        if farewell is not None:
            farewell()
        closing.set()
    _LOG.info("stopped")


def _say_what_is_off(settings: Settings, parts: Collection[str]) -> None:
    """A shop without a bot or without payments runs, but an operator should know."""
    if settings.telegram.token is None and "bot" in parts:
        _LOG.warning("no VEILBOT_TELEGRAM__TOKEN: there is no bot, and customers are told nothing")
    if settings.stripe.secret_key is None:
        _LOG.warning("no VEILBOT_STRIPE__SECRET_KEY: nothing can be paid for")


def make_worker(settings: Settings, container: Container) -> Worker:
    """Return the worker with its numbers."""
    numbers = settings.worker
    return Worker(
        application=container.application(),
        slots=numbers.slots,
        poll=numbers.poll_seconds,
        drain=numbers.drain_seconds,
        queue=container.queue(),
    )


def make_bot(settings: Settings, container: Container) -> "TelegramBot":
    """Return the bot; importing it is what costs, so nobody else does."""
    from veilbot_adapters import qr
    from veilbot_adapters.telegram import Texts
    from veilbot_runners.bot import TelegramBot, Webhook

    telegram, webhook, wire = settings.telegram, None, container.telegram()
    if telegram.token is None or wire is None:
        raise InvalidInput("VEILBOT_TELEGRAM__TOKEN is not set: there is no bot", field="VEILBOT_TELEGRAM__TOKEN")
    if telegram.mode == "webhook" and telegram.webhook_secret is not None:
        url = f"{settings.public_url}/webhooks/telegram"
        secret = telegram.webhook_secret.get_secret_value()
        webhook = Webhook(url=url, secret=secret, several=backends.shared(settings))
    return TelegramBot(
        container.application(),
        telegram.token.get_secret_value(),
        wire=wire,
        texts=Texts(),
        draw=qr.png,
        bills=container.bills(),
        api_base=telegram.api_base,
        webhook=webhook,
        support=settings.support_url or "",
    )


def make_api(
    settings: Settings, container: Container, modules: Collection[str], bot: "TelegramBot | None"
) -> "Litestar":
    """Return the HTTP application with some of its modules."""
    from veilbot_adapters import qr
    from veilbot_runners.api import Rate, build_api

    return build_api(
        container.application(),
        modules=modules,
        trusted_proxies=settings.trusted_proxies,
        rate=Rate(key=settings.limit.api_per_minute, at_once=settings.limit.requests, webhook=settings.timeout.webhook),
        telegram=bot,
        qr=qr.svg,
        support_url=settings.support_url,
    )


async def document(settings: Settings) -> dict[str, Any]:
    """Return the OpenAPI document of the whole API."""
    async with open_container(settings) as container:
        app = make_api(settings, container, MODULES, None)
        return app.openapi_schema.to_schema()
