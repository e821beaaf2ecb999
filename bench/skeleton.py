"""The bare skeleton of a purchase: the least that keeps the promise "money in, one key out".

Raw ASGI, hmac by hand, bare SQL (``ledgers.py``), aiohttp to Outline (its pinned certificate checked) and to Telegram.
No jobs, no retries, no languages, no sealing: what the product does beyond it is what the ratio shows. ``/text`` sends
a message; ``/photo`` draws the QR code and sends the picture, as the product does.

Run: ``python -m bench.skeleton '{"port": 1, "db": "", "secret": "", "telegram": "", "outline": [["url", "sha256"]]}'``
"""

import asyncio
import gc
import hashlib
import hmac
import itertools
import json
import sys
import time
import uuid
from collections.abc import Mapping
from typing import Any

import aiohttp
import uvicorn

from bench.ledgers import open_ledger
from veilbot_adapters import qr


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
            self._ledger = await open_ledger(self._given["db"])
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

        if await self._ledger.pay(session["payment_intent"], order_id, key_id, server):
            self._group.create_task(self._deliver(key_id, server, chat, photo=photo))
        return 200

    async def _deliver(self, key_id: str, server: int, chat: str, *, photo: bool) -> None:
        base, pin = self._servers[server]
        wanted = {"name": "key", "limit": {"bytes": 10**11}}
        async with self._http.put(f"{base}/access-keys/{key_id}", json=wanted, ssl=pin) as answer:
            assert answer.status == 201, answer.status
            url = (await answer.json(content_type=None))["accessUrl"]
        await self._ledger.issue(key_id, url)
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
