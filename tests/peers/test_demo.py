"""The demo with a real Xray in it: a key that it gives opens a page."""

import contextlib
import re
import signal
import socket
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import httpx
from tests.journeys.world import eventually
from tests.peers.client import app
from tests.peers.cores import free_port, page


def six_free_ports() -> int:
    """Return the first of six ports in a row that nobody listens on."""
    while True:
        first = free_port()
        with contextlib.ExitStack() as held, contextlib.suppress(OSError, OverflowError):
            for port in range(first, first + 6):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            return first


async def test_a_key_of_the_demo_opens_a_page_through_a_real_xray(tmp_path: Path) -> None:
    port = six_free_ports()
    command = [sys.executable, "-m", "veilbot_runners", "demo", "--xray", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        demo = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)  # noqa: ASYNC220 (it returns at once)
    try:

        async def told() -> re.Match[str] | None:
            return re.search(r"vb_\S+", (tmp_path / "log").read_text())

        said = await eventually("the API key", told)
        headers, base = {"Authorization": f"Bearer {said[0]}"}, f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60) as http, page() as site:
            user = (await http.post("/api/v1/users", json={"name": "Ann"})).json()
            tariffs = (await http.get("/api/v1/billing/tariffs")).json()["items"]
            season = next(tariff for tariff in tariffs if tariff["terms"]["name"] == "Season")
            body = {"user_id": user["id"], "tariff_id": season["id"], "days": 1, "country": "DE"}
            given = (await http.post("/api/v1/vpn/keys", json=body)).json()
            link = (await http.get(f"/api/v1/vpn/subscriptions/{given['id']}")).json()["link"]

            async def vless() -> str | None:
                answer = await http.get(link)
                if answer.status_code != 200:  # asked too often
                    return None
                listed = b64decode(answer.text).decode()
                return next((url for url in listed.splitlines() if url.startswith("vless://")), None)

            url = await eventually("the key", vless)
            async with app(url, "xray", tmp_path, site=site) as phone:
                assert await phone.eventually_reads()
    finally:
        demo.send_signal(signal.SIGINT)
        assert demo.wait(300) == 0
