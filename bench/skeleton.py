"""The bare skeleton of a purchase: the least that keeps the promise "money in, one key out" on SQLite FULL.

Raw ASGI, hmac by hand, ``sqlite3`` with one writer thread that commits in groups, aiohttp to Outline (its pinned
certificate checked) and to Telegram. No jobs, no retries, no languages, no sealing: what the product does beyond it
is what the ratio shows. ``/text`` sends a message; ``/photo`` draws the QR code and sends the picture, as the product
does.

Run: ``python -m bench.skeleton '{"port": 1, "db": "", "secret": "", "telegram": "", "outline": [["url", "sha256"]]}'``
"""

import asyncio
import gc
import hashlib
import hmac
import itertools
import json
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Any

import aiohttp
import uvicorn

from veilbot_adapters import qr

_SCHEMA = """
CREATE TABLE payments (provider TEXT, external_id TEXT, order_id TEXT, PRIMARY KEY (provider, external_id))
    WITHOUT ROWID;
CREATE TABLE keys (id TEXT PRIMARY KEY, order_id TEXT UNIQUE, server INTEGER, state TEXT, url TEXT) WITHOUT ROWID;
"""
Work = Callable[[sqlite3.Cursor], Any]
Waiting = tuple[Work, "asyncio.Future[Any]"]


class Writer:
    """One thread, one connection; whatever waits goes into one commit."""

    def __init__(self, path: str) -> None:
        self._queue: SimpleQueue[Waiting] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._serve, args=(path,), daemon=True).start()

    def run(self, work: Work) -> "asyncio.Future[Any]":
        """Return a future that is done after the commit."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.put((work, future))
        return future

    def _serve(self, path: str) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + _SCHEMA)
        cursor = connection.cursor()
        while True:
            group = [self._queue.get()]
            while len(group) < 128:
                try:
                    group.append(self._queue.get_nowait())
                except Empty:
                    break
            cursor.execute("BEGIN IMMEDIATE")
            done = [(future, work(cursor)) for work, future in group]
            cursor.execute("COMMIT")
            self._loop.call_soon_threadsafe(_settle, done)


def _settle(done: list[tuple["asyncio.Future[Any]", Any]]) -> None:
    for future, result in done:
        future.set_result(result)


class Shop:
    """An ASGI application."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self._secret = given["secret"].encode()
        self._turn = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers = [(url, aiohttp.Fingerprint(bytes.fromhex(pin))) for url, pin in given["outline"]]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Serve the lifespan and webhooks."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = b""
        more = scope["method"] == "POST"
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        header = next((value for name, value in scope["headers"] if name == b"stripe-signature"), b"")
        status = 200
        if body:
            status = await self._receive(body, header.decode(), photo=scope["path"] == "/photo")
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def _live(self, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        await receive()
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=64), cookie_jar=aiohttp.DummyCookieJar()
            ) as self._http,
            asyncio.TaskGroup() as self._group,
        ):
            self._writer = Writer(self._given["db"])
            gc.collect()
            gc.freeze()
            gc.set_threshold(20_000, 50, 100)
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _receive(self, body: bytes, header: str, *, photo: bool) -> int:
        """Verify, commit payment and key, and let the rest happen."""
        stamp, _, signature = header.removeprefix("t=").partition(",v1=")
        expected = hmac.digest(self._secret, stamp.encode() + b"." + body, hashlib.sha256).hex()
        if not hmac.compare_digest(expected, signature) or abs(time.time() - int(stamp)) > 300:
            return 400
        session = json.loads(body)["data"]["object"]
        order_id, chat = session["metadata"]["order_id"], session["metadata"]["chat"]
        key_id, server = str(uuid.uuid4()), next(self._turn) % len(self._servers)

        def work(cursor: sqlite3.Cursor) -> bool:
            paid = ("stripe", session["payment_intent"], order_id)
            if not cursor.execute("INSERT OR IGNORE INTO payments VALUES (?, ?, ?)", paid).rowcount:
                return False
            cursor.execute("INSERT INTO keys VALUES (?, ?, ?, 'pending', NULL)", (key_id, order_id, server))
            return True

        if await self._writer.run(work):
            self._group.create_task(self._deliver(key_id, server, chat, photo=photo))
        return 200

    async def _deliver(self, key_id: str, server: int, chat: str, *, photo: bool) -> None:
        base, pin = self._servers[server]
        wanted = {"name": "key", "limit": {"bytes": 10**11}}
        async with self._http.put(f"{base}/access-keys/{key_id}", json=wanted, ssl=pin) as answer:
            assert answer.status == 201, answer.status
            url = (await answer.json(content_type=None))["accessUrl"]
        issued = "UPDATE keys SET state = 'issued', url = ? WHERE id = ?"
        await self._writer.run(lambda cursor: cursor.execute(issued, (url, key_id)).rowcount)
        text = f"Your key:\n<code>{url}</code>"
        if photo:
            form = aiohttp.FormData({"chat_id": chat, "caption": text, "parse_mode": "HTML"})
            form.add_field("photo", qr.png(url), filename="key.png", content_type="image/png")
            sending = self._http.post(f"{self._given['telegram']}/sendPhoto", data=form)
        else:
            payload = {"chat_id": int(chat), "text": text, "parse_mode": "HTML"}
            sending = self._http.post(f"{self._given['telegram']}/sendMessage", json=payload)
        async with sending as answer:
            assert answer.status == 200, await answer.text()
            await answer.read()


def main() -> None:
    """Serve until a signal."""
    given = json.loads(sys.argv[1])
    uvicorn.run(Shop(given), host="127.0.0.1", port=given["port"], access_log=False, log_level="warning", loop="uvloop")


if __name__ == "__main__":
    main()
