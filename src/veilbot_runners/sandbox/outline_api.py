"""Outline's management API, as Shadowbox 1.12 speaks it: paths, bodies, codes, and its pitfalls.

Checked call by call against the real manager; the strange answers (409 for a long server name, 500 for a null limit,
204 for a limit that is not understood) are the real one's.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from veilbot_runners.sandbox.outline_state import ApiError, OutlineState, invalid, missing, typed, wanted_limit

VERSION = "1.12.3"
_HOST = re.compile(r"([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?\.)*[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?")
_SECONDS = {"s": 1, "h": 3600, "d": 86400, "w": 604800}

Answer = tuple[int, object]
"""A status and what becomes the JSON body; None has no body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request; ``path`` is what follows the secret prefix."""

    method: str
    path: str
    query: str = ""
    content_type: str = ""
    body: bytes = b""

    @property
    def parts(self) -> list[str]:
        """The path's segments."""
        return self.path.strip("/").split("/")

    @property
    def key_id(self) -> str:
        """The access key that it is about, or nothing."""
        parts = self.parts
        return parts[1] if parts[0] == "access-keys" and len(parts) > 1 else ""

    def given(self) -> Mapping[str, Any]:
        """Return the body's values."""
        if not self.body:
            return {}
        if self.content_type.startswith("application/x-www-form-urlencoded"):
            return dict(parse_qsl(self.body.decode(errors="replace")))
        try:
            given = json.loads(self.body)
        except ValueError as error:
            raise ApiError(400, "InvalidContent", "Invalid JSON") from error
        return given if isinstance(given, dict) else {}


def answer(state: OutlineState, call: Call) -> Answer:
    """Do what one request asks."""
    try:
        return _route(call)(state, call)
    except ApiError as error:
        return error.status, error.body


def _route(call: Call) -> "_Handler":
    parts = call.parts
    if call.key_id:
        parts[1] = "*"
    allowed = _ROUTES.get("/".join(parts))
    if allowed is None or len(call.key_id) > 100:
        raise ApiError(404, "ResourceNotFound", f"{call.path} does not exist")
    if call.method not in allowed:
        raise ApiError(405, "MethodNotAllowed", f"{call.method} is not allowed")
    return allowed[call.method]


def _server(state: OutlineState, _: Call) -> Answer:
    limit = {} if state.limit is None else {"accessKeyDataLimit": {"bytes": state.limit}}
    return 200, {
        "name": state.name,
        "serverId": state.server_id,
        "metricsEnabled": state.metrics,
        "createdTimestampMs": state.created_ms,
        "version": VERSION,
        **limit,
        "portForNewAccessKeys": state.port,
        "hostnameForAccessKeys": state.hostname,
    }


def _rename_server(state: OutlineState, call: Call) -> Answer:
    name = call.given().get("name")
    if not name:
        raise missing("name")
    if not isinstance(name, str) or len(name) > 100:
        raise ApiError(409, "InvalidArgument", "Requested server name should be a string <= 100 characters long.")
    state.name = name
    return 204, None


def _hostname(state: OutlineState, call: Call) -> Answer:
    given = call.given()
    if "hostname" not in given:
        raise missing("hostname")
    hostname = given["hostname"]
    if not isinstance(hostname, str) or not (_HOST.fullmatch(hostname) or ":" in hostname):
        raise invalid("Hostname isn't a valid hostname or IP address")
    state.hostname = hostname
    return 204, None


def _port(state: OutlineState, call: Call) -> Answer:
    state.port = state.checked_port(typed(call.given(), "port", int, None))
    return 204, None


def _limit_server(state: OutlineState, call: Call) -> Answer:
    state.limit = wanted_limit(call.given())
    return 204, None


def _unlimit_server(state: OutlineState, _: Call) -> Answer:
    state.limit = None
    return 204, None


def _keys(state: OutlineState, _: Call) -> Answer:
    return 200, {"accessKeys": [key.shown() for key in state.keys.values()]}


def _create(state: OutlineState, call: Call) -> Answer:
    given = call.given()
    if "id" in given:
        raise invalid("Parameter `id` is not allowed")
    state.counter += 1  # a refused one burns its id
    return 201, state.add(str(state.counter - 1), given).shown()


def _put(state: OutlineState, call: Call) -> Answer:
    return 201, state.add(call.key_id, call.given()).shown()


def _get(state: OutlineState, call: Call) -> Answer:
    return 200, state.key(call.key_id).shown()


def _delete(state: OutlineState, call: Call) -> Answer:
    state.key(call.key_id)
    del state.keys[call.key_id]
    return 204, None


def _rename(state: OutlineState, call: Call) -> Answer:
    name = typed(call.given(), "name", str, None)
    state.key(call.key_id).name = name
    return 204, None


def _limit(state: OutlineState, call: Call) -> Answer:
    limit = wanted_limit(call.given())
    state.key(call.key_id).limit = limit
    return 204, None


def _unlimit(state: OutlineState, call: Call) -> Answer:
    state.key(call.key_id).limit = None
    return 204, None


def _transfer(state: OutlineState, _: Call) -> Answer:
    return 200, {"bytesTransferredByUserId": {key: count for key, count in state.traffic.items() if count}}


def _metrics(state: OutlineState, _: Call) -> Answer:
    return 200, {"metricsEnabled": state.metrics}


def _set_metrics(state: OutlineState, call: Call) -> Answer:
    enabled = call.given().get("metricsEnabled")
    if enabled is None:
        raise missing("metricsEnabled")
    if not isinstance(enabled, bool):
        raise invalid("Parameter `metricsEnabled` must be of type boolean")
    state.metrics = enabled
    return 204, None


def _experimental(state: OutlineState, call: Call) -> Answer:
    since = dict(parse_qsl(call.query)).get("since", "")
    if not (since[:-1].isdecimal() and since[-1] in _SECONDS):
        raise invalid("Parameter `since` must be a number and one of s, h, d, w")
    none: Mapping[str, object] = {"lastTrafficSeen": None, "peakDeviceCount": {"data": 0, "timestamp": None}}
    bandwidth = {"data": {"bytes": 0}, "timestamp": None}
    return 200, {
        "server": {
            "tunnelTime": {"seconds": 0},
            "dataTransferred": {"bytes": sum(state.traffic.values())},
            "bandwidth": {"current": bandwidth, "peak": bandwidth},
            "locations": [],
        },
        "accessKeys": [
            {
                "accessKeyId": int(key) if key.isdecimal() else None,  # the real one has lost ids that are no numbers
                "tunnelTime": {"seconds": 0},
                "dataTransferred": {"bytes": count},
                "connection": none,
            }
            for key, count in state.traffic.items()
        ],
    }


_Handler = Callable[[OutlineState, Call], Answer]
_ROUTES: Mapping[str, Mapping[str, _Handler]] = {
    "server": {"GET": _server},
    "name": {"PUT": _rename_server},
    "server/hostname-for-access-keys": {"PUT": _hostname},
    "server/port-for-new-access-keys": {"PUT": _port},
    "server/access-key-data-limit": {"PUT": _limit_server, "DELETE": _unlimit_server},
    "access-keys": {"GET": _keys, "POST": _create},
    "access-keys/*": {"GET": _get, "PUT": _put, "DELETE": _delete},
    "access-keys/*/name": {"PUT": _rename},
    "access-keys/*/data-limit": {"PUT": _limit, "DELETE": _unlimit},
    "metrics/transfer": {"GET": _transfer},
    "metrics/enabled": {"GET": _metrics, "PUT": _set_metrics},
    "experimental/server/metrics": {"GET": _experimental},
}
