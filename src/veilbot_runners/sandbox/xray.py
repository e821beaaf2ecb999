"""A real Xray for the demo: the core from the package ``Xray-core``, as a process of its own on loopback."""

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from veilbot_core.domain.errors import InvalidInput, Unavailable

_RUN = "import sys, xray; xray.startFromJSON(open(sys.argv[1]).read())"
_PATIENCE = 10.0  # seconds to listen
_LOOK = 0.05


@asynccontextmanager
async def real_xray(api: int, port: int) -> AsyncIterator[Mapping[str, str]]:
    """Run a core with one VLESS inbound on ``port`` and its API on ``api``; yield how the shop reaches it.

    Raises:
        InvalidInput: the package is not installed.
        Unavailable: the core does not come up.
    """
    if find_spec("xray") is None:
        raise InvalidInput("there is no Xray here; install it beside VeilBot: pip install Xray-core")
    with tempfile.TemporaryDirectory(prefix="veilbot-xray-") as folder:
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(_config(api, port)), encoding="utf-8")
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _RUN, str(config), stdin=quiet, stdout=quiet, stderr=quiet
        )
        try:
            await _listens(api, process)
            yield {"api": f"127.0.0.1:{api}", "inbound": "in", "address": "127.0.0.1", "port": str(port)}
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _listens(port: int, process: asyncio.subprocess.Process) -> None:
    for _ in range(round(_PATIENCE / _LOOK)):
        if process.returncode is not None:
            break
        if await _accepts(port):
            return
        await asyncio.sleep(_LOOK)
    raise Unavailable("Xray does not come up")


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _config(api: int, port: int) -> Mapping[str, Any]:
    """Return its configuration (https://xtls.github.io/en/config/); it may be used to reach this machine, too."""
    on = {"listen": "127.0.0.1"}
    door = {**on, "tag": "api", "port": api, "protocol": "dokodemo-door", "settings": {"address": "127.0.0.1"}}
    vless = {**on, "tag": "in", "port": port, "protocol": "vless", "settings": {"clients": [], "decryption": "none"}}
    loopback = {"finalRules": [{"action": "allow", "ip": ["127.0.0.0/8"]}]}
    return {
        "log": {"loglevel": "none"},
        "stats": {},
        "api": {"tag": "api", "services": ["HandlerService", "StatsService"]},
        "policy": {"levels": {"0": {"statsUserUplink": True, "statsUserDownlink": True}}},
        "inbounds": [door, vless],
        "outbounds": [{"protocol": "freedom", "settings": loopback}],
        "routing": {"rules": [{"type": "field", "inboundTag": ["api"], "outboundTag": "api"}]},
    }
