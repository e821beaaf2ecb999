"""A whole shop behind real HTTP, on a real database that a test can compare before and after."""

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.contracts.storage.things import a_user
from tests.runners.bot.telegram import TOKEN, open_telegram
from tests.waiting import PATIENCE

from veilbot_adapters.database import migrate
from veilbot_core.application import Application
from veilbot_core.domain.ids import UserId
from veilbot_core.ports.storage import UnitOfWork
from veilbot_runners import serving
from veilbot_runners.container import open_container
from veilbot_runners.settings import Stripe, Telegram, Timeout, load

STRIPE, STRIPE_OLD, TELEGRAM = "whsec_hostile_new_0123456789", "whsec_hostile_old_0123456789", "telegram-hostile-secret"
Rows = Mapping[str, list[Any]]


class Shop:
    """The shop, its address, and its database."""

    def __init__(self, application: Application, http: httpx.AsyncClient, file: Path) -> None:
        self.application = application
        self.http = http
        self._file = file

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """Send raw bytes to a webhook."""
        return await self.http.post(path, content=body, headers=dict(headers))

    def rows(self) -> Rows:
        """Return every row of every table."""
        with closing(sqlite3.connect(self._file)) as database:
            names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: database.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}  # noqa: S608

    async def customers(self, count: int) -> list[int]:
        """Make so many customers; one of them may do 20 things before the bot asks to slow down."""
        made = list(itertools.islice(_PEOPLE, count))

        def work(uow: UnitOfWork) -> None:
            for number in made:
                uow.users.add(replace(a_user(), id=UserId(uuid4()), telegram_id=number))

        await self.application.storage.write(work)
        return made


_PEOPLE = itertools.count(2 * 10**6)


@pytest.fixture(scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """The API with webhooks of Stripe and Telegram, on a free port."""
    file = tmp_path_factory.mktemp("hostile") / "shop.db"
    url = f"sqlite+aiosqlite:///{file}"
    await migrate(url)
    sock = serving.listen("127.0.0.1", 0)
    base, stop = f"http://127.0.0.1:{sock.getsockname()[1]}", asyncio.Event()
    async with open_telegram() as telegram, asyncio.TaskGroup() as group:
        settings = load(
            env_file=None,
            env="test",
            database_url=url,
            timeout=Timeout(webhook=PATIENCE),
            telegram=Telegram.model_validate(
                {"token": TOKEN, "api_base": telegram.base, "mode": "webhook", "webhook_secret": TELEGRAM}
            ),
            stripe=Stripe.model_validate(
                {"secret_key": "sk_test_hostile", "webhook_secret": (STRIPE, STRIPE_OLD), "api_base": base}
            ),
        )
        async with open_container(settings) as container, httpx.AsyncClient(base_url=base, timeout=PATIENCE) as http:
            bot = serving.make_bot(settings, container)
            api: Any = serving.make_api(settings, container, serving.MODULES, bot)
            served = group.create_task(serving.serve_http(api, sock, stop))
            yield Shop(container.application(), http, file)
            stop.set()
            await served
            await bot.close()
