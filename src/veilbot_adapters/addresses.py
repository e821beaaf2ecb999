"""Where a call outward may lead: not inside our own network, unless the operator says so.

Whoever calls an address that somebody gave (a server's, a webhook's) resolves its name here, once, connects to what
this returns, and follows no redirect.
"""

import asyncio
import re
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

_NAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
"""A host name, lower case; its last label begins with a letter, so that ``127.1`` and ``0x7f000001`` are none."""
_LOCAL = re.compile(r"(.*\.)?(localhost|local|internal|lan|home\.arpa)")
_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is given out (IANA, IPv6 address space); ``is_global`` alone lets site-local fec0::/10 pass."""
_SPECIAL = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"), IPv4Network("168.63.129.16/32"))
"""For protocols between networks (RFC 6890), for relays of 6to4 (RFC 7526), and the host of every machine in Azure
(learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16); some of it counts as global."""
_THREADS = ThreadPoolExecutor(32, thread_name_prefix="names")
"""Resolving cannot be interrupted, and the event loop's own threads are few: names that hang must not hold those."""


@dataclass(slots=True)
class _Question:
    answer: Future[list[Any]]
    waiting: int = 0


_asked: dict[tuple[str, int], _Question] = {}
"""What is being resolved; all who ask for one name share one thread."""

Address = IPv4Address | IPv6Address
INSIDE = "a private network; VEILBOT_ALLOW_PRIVATE_SERVERS=true allows that, except in prod"
"""How a refusal ends that is only the operator's to lift."""


def is_public(host: str) -> bool:
    """Say whether a host, as it is written, could be out in the world; a name may still resolve to something else."""
    address = literal(host)
    return _is_global(address) if address else not _LOCAL.fullmatch(host)


def is_host(host: str) -> bool:
    """Say whether this is an address or a lower-case name."""
    return literal(host) is not None or _NAME.fullmatch(host) is not None


def literal(host: str) -> Address | None:
    """Return the address that is written out, if it is one; an interface (``%eth0``) is nobody's business."""
    try:
        return None if "%" in host else ip_address(host)
    except ValueError:
        return None


async def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the addresses of a host that may be called; the caller connects to these and resolves nothing again.

    Raises:
        OSError: the name does not resolve.
    """
    written = literal(host)
    if written is not None:
        found = [written]
    else:
        infos = await _look_up(host, port)
        found = [ip_address(str(info[4][0]).partition("%")[0]) for info in infos]
    return [str(address) for address in dict.fromkeys(found) if allow_private or _is_global(address)]


async def _look_up(host: str, port: int) -> list[Any]:
    """Ask for a name, or wait for the answer that others wait for; what nobody waits for any more is not begun."""
    name = host, port
    question = _asked.get(name)
    if question is None:
        question = _asked[name] = _Question(_THREADS.submit(socket.getaddrinfo, *name, type=socket.SOCK_STREAM))
        question.answer.add_done_callback(lambda _: _asked.pop(name))
    answer = asyncio.wrap_future(question.answer)
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())  # whoever asked may be gone
    question.waiting += 1
    try:
        return await asyncio.shield(answer)
    finally:
        question.waiting -= 1
        if not question.waiting:
            question.answer.cancel()


def _is_global(address: Address) -> bool:
    """Say whether an address, or the IPv4 address hidden in it, belongs to the public internet."""
    if isinstance(address, IPv6Address):
        hidden = address.ipv4_mapped or address.sixtofour
        if hidden is None and address in _NAT64:
            hidden = IPv4Address(int(address) & 0xFFFF_FFFF)
        if hidden is not None:
            return _is_global(hidden)
        if address not in _UNICAST:
            return False
    elif any(address in network for network in _SPECIAL):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)
