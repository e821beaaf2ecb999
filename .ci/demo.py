"""Start ``veilbot demo`` as a newcomer would, buy a key through the sandbox's HTTP, and stop it.

Standard library only: it runs in the environment of a first install.
"""

import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHAT = 4242


def free_port() -> int:
    """Return a port whose next five neighbours are free, too."""
    for _ in range(100):
        socks: list[socket.socket] = []
        try:
            socks.append(socket.create_server(("127.0.0.1", 0)))
            first = int(socks[0].getsockname()[1])
            socks.extend(socket.create_server(("127.0.0.1", first + n)) for n in range(1, 6))
        except OSError:
            continue
        else:
            return first
        finally:
            for sock in socks:
                sock.close()
    raise SystemExit("no six free ports in a row")


class Demo:
    """The demo's HTTP, as a script sees it."""

    def __init__(self, base: str) -> None:
        self.base = base

    def call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """GET, or POST JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)

    def messages(self) -> list[dict[str, Any]]:
        """Return what stands in the chat."""
        items: list[dict[str, Any]] = self.call(f"/sandbox/telegram/chats/{CHAT}")["items"]
        return items

    def wait(self, what: str, find: Callable[[], Any], seconds: float = 120.0) -> Any:
        """Look until something is there."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if found := find():
                    return found
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            time.sleep(0.1)
        raise SystemExit(f"waited {seconds:.0f} s for {what}")

    def button(self, key: str, pattern: str) -> dict[str, Any] | None:
        """Return the newest button with ``key`` whose value matches, and its message."""
        for message in reversed(self.messages()):
            for row in message.get("buttons") or []:
                for button in row:
                    if re.search(pattern, str(button.get(key) or "")):
                        return {"message_id": message["message_id"], **button}
        return None

    def tap(self, pattern: str) -> None:
        """Wait for a button by its text and tap it."""
        button = self.wait(f"a button like {pattern!r}", lambda: self.button("text", pattern))
        self.call(f"/sandbox/telegram/chats/{CHAT}/taps", {"message_id": button["message_id"], "data": button["data"]})


def buy(demo: Demo) -> str:
    """Buy a month as a customer would; return the key."""
    demo.call(f"/sandbox/telegram/chats/{CHAT}/messages", {"text": "/start", "language_code": "en"})
    demo.tap("(?i)buy|access")
    demo.tap("Month")
    demo.tap("(?i)netherlands")
    pay = demo.wait("the pay button", lambda: demo.button("url", "/sandbox/stripe/pay/"))
    session = pay["url"].rsplit("/", 1)[1]
    demo.call(f"/sandbox/stripe/sessions/{session}/pay", {})

    def key() -> str | None:
        texts = (f"{m.get('text') or ''} {m.get('caption') or ''}" for m in demo.messages())
        return next((found[0] for text in texts if (found := re.search(r"ss://\S+", text))), None)

    found: str = demo.wait("the key", key)
    return found


def main() -> None:
    """Run the demo, buy, compare with the server's own list, stop."""
    veilbot, port = sys.argv[1], free_port()

    veilbot = str(Path(veilbot).resolve())
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([veilbot, "demo", "--port", str(port)], cwd=folder)
        try:
            demo = Demo(f"http://127.0.0.1:{port}")
            demo.wait("the demo to start", lambda: demo.call("/healthz"), 60)
            started = time.monotonic() - began
            key = buy(demo)
            keys = demo.call("/sandbox/outline/Amsterdam%201/keys")["items"]
            if len(keys) != 1 or not key.startswith(keys[0]["accessUrl"].split("#")[0]):
                raise SystemExit(f"the server has {len(keys)} keys, and the customer another one")
            print(f"demo: up after {started:.1f} s, a key bought after {time.monotonic() - began:.1f} s")
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(120)
    if code != 0:
        raise SystemExit(f"the demo ended with {code}")


if __name__ == "__main__":
    main()
