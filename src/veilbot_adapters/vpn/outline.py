"""Outline servers: keys under our own ids, through the management API that the operator's installer opened."""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from veilbot_adapters.resilience import Effect, Guards
from veilbot_adapters.vpn.outline_api import OutlineApi
from veilbot_adapters.vpn.outline_settings import checked
from veilbot_adapters.vpn.restoring import side_by_side
from veilbot_core.domain.errors import Rejected, Unavailable
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.ports.vpn import Endpoint, KeySpec, Metering, RemoteKey, ServerInfo, Usage, VpnProtocol

_LISTS = 32_000_000
"""Bytes that an answer without pages may have: about 100,000 keys."""
_PROBE = 3.0
_BIGGEST = 2**63 - 1
_ACCESS_URL = re.compile(r"ss://[!\"$-~]{8,2000}")
_SERVERS = 1024


class OutlineProtocol(VpnProtocol):
    """All Outline servers; connections are kept per server and end when nobody needs them."""

    def __init__(self, guards: Guards, *, allow_private: bool) -> None:
        self._guards = guards
        self._allow_private = allow_private
        self._servers: OrderedDict[ServerId, tuple[Mapping[str, str], OutlineApi]] = OrderedDict()

    async def close(self) -> None:
        """End all connections."""
        while self._servers:
            await self._servers.popitem()[1][1].aclose()

    def settings(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """Check ``api_url`` and ``cert_sha256``, or ``access``: the JSON that Outline's installer prints.

        Raises:
            InvalidInput: naming the field.
        """
        return checked(given, allow_private=self._allow_private)

    async def issue(self, endpoint: Endpoint, key: KeySpec) -> str:
        """Make the key be there as specified; return its access URL with the key's name, for apps to show.

        One that exists keeps its name on the server.
        """
        work = partial(_issue, self._api(endpoint), key)
        return await self._guards.get(_name(endpoint)).call(work, Effect.REPEATABLE)

    async def restore(self, endpoint: Endpoint, keys: Sequence[KeySpec]) -> Mapping[KeyId, str]:
        """Make many keys be there again, as few at a time as a server bears."""
        return await side_by_side(keys, partial(self.issue, endpoint), lanes=self._guards.limits.in_flight)

    async def revoke(self, endpoint: Endpoint, key_id: KeyId) -> None:
        """Make the key be gone. Open connections may live on for minutes."""
        work = partial(_revoke, self._api(endpoint), key_id)
        await self._guards.get(_name(endpoint)).call(work, Effect.REPEATABLE)

    async def list(self, endpoint: Endpoint) -> Mapping[str, RemoteKey]:
        """Return all keys on the server by their remote id, ours and others."""
        return await self._guards.get(_name(endpoint)).call(partial(_list, self._api(endpoint)))

    async def usage(self, endpoint: Endpoint) -> Usage:
        """Return traffic by remote id: an estimate over 30 days, minutes late, that also falls."""
        return await self._guards.get(_name(endpoint)).call(partial(_usage, self._api(endpoint)))

    async def probe(self, endpoint: Endpoint) -> ServerInfo:
        """Ask for a sign of life; it takes at most three seconds, and as many again where calls are waiting."""
        return await self._guards.get(_name(endpoint)).call(partial(_probe, self._api(endpoint)), patience=_PROBE)

    def forget(self, server_id: ServerId) -> None:
        """Let go of a server that is no longer ours."""
        _, api = self._servers.pop(server_id, (None, None))
        if api is not None:
            api.drop()
        self._guards.drop(f"Outline server {server_id}")

    def _api(self, endpoint: Endpoint) -> OutlineApi:
        """Return the server's client; new settings mean a new one."""
        known = self._servers.get(endpoint.server_id)
        if known is not None and known[0] == endpoint.settings:
            self._servers.move_to_end(endpoint.server_id)
            return known[1]
        settings = dict(endpoint.settings)
        try:
            api = OutlineApi(settings["api_url"], settings["cert_sha256"], allow_private=self._allow_private)
        except (KeyError, ValueError) as error:
            raise Rejected("what is stored about this server is not usable: add it again") from error
        if known is not None:
            known[1].drop()
        elif len(self._servers) >= _SERVERS:
            self._servers.popitem(last=False)[1][1].drop()
        self._servers[endpoint.server_id] = (settings, api)
        return api


def _name(endpoint: Endpoint) -> str:
    return f"Outline server {endpoint.server_id}"


async def _issue(api: OutlineApi, key: KeySpec) -> str:
    path = f"/access-keys/{key.id}"
    limit = {} if key.limit is None else {"limit": {"bytes": key.limit}}
    reply = await api.call("PUT", path, {"name": key.name, **limit})
    if reply.status == 405:
        raise Rejected(f"{api.host} runs an Outline server older than 1.8.0, which cannot keep our keys: update it")
    if reply.status == 409:  # it is there, from an attempt whose answer was lost or from before
        reply = await api.call("GET", path)
    if reply.status not in {200, 201}:
        raise Unavailable(f"{api.host} says that the key is there and that it is not; asked again, it may decide")
    shown = _key(api, reply.body)
    if shown.id != str(key.id):
        raise api.nonsense("it made a key with another id")
    if shown.limit != key.limit:
        await _limit(api, path, key.limit)
    url = reply.body.get("accessUrl")
    if not isinstance(url, str) or not _ACCESS_URL.fullmatch(url):
        raise api.nonsense("the key has no access URL")
    return f"{url}#{quote(key.name, safe='')}"


async def _revoke(api: OutlineApi, key_id: KeyId) -> None:
    reply = await api.call("DELETE", f"/access-keys/{key_id}")
    if reply.status not in {200, 204, 404}:
        raise Rejected(f"{api.host} refused to remove a key (HTTP {reply.status})")


async def _limit(api: OutlineApi, path: str, limit: int | None) -> None:
    if limit is None:
        reply = await api.call("DELETE", f"{path}/data-limit")
    else:  # a body without "limit" would be answered 204 and take the limit away
        reply = await api.call("PUT", f"{path}/data-limit", {"limit": {"bytes": limit}})
    if reply.status != 204:
        raise Unavailable(f"the key went away from {api.host} while its limit was set")


async def _list(api: OutlineApi) -> Mapping[str, RemoteKey]:
    keys = (await api.call("GET", "/access-keys", most=_LISTS)).body.get("accessKeys")
    if not isinstance(keys, list):
        raise api.nonsense("there is no list of keys")
    return {key.id: key for key in (_key(api, shown) for shown in keys)}


async def _usage(api: OutlineApi) -> Usage:
    counted = (await api.call("GET", "/metrics/transfer", most=_LISTS)).body.get("bytesTransferredByUserId")
    if not isinstance(counted, dict):
        raise api.nonsense("there are no readings")
    return Usage(metering=Metering.WINDOW, bytes_by_key={_id(api, key): _size(api, n) for key, n in counted.items()})


async def _probe(api: OutlineApi) -> ServerInfo:
    body = (await api.call("GET", "/server")).body
    return ServerInfo(name=_text(api, body.get("name")), version=_text(api, body.get("version")))


def _key(api: OutlineApi, shown: Any) -> RemoteKey:  # noqa: ANN401 (it is JSON)
    if not isinstance(shown, dict):
        raise api.nonsense("a key is no object")
    limit = shown.get("dataLimit")
    if limit is None:
        return RemoteKey(id=_id(api, shown.get("id")), limit=None)
    if not isinstance(limit, dict):
        raise api.nonsense("a limit is no object")
    return RemoteKey(id=_id(api, shown.get("id")), limit=_size(api, limit.get("bytes")))


def _id(api: OutlineApi, value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 100 or not value.isprintable():
        raise api.nonsense("a key has no proper id")
    return value


def _size(api: OutlineApi, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _BIGGEST:
        raise api.nonsense("a number of bytes is none")
    return int(value)


def _text(api: OutlineApi, value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise api.nonsense("it does not say who it is")
    return value[:100]
