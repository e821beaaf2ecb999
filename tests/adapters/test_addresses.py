"""No address that somebody gave leads into our own network, however it is written and whatever its name resolves to."""

import asyncio
import gc
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from socket import AF_INET, AF_INET6, SOCK_STREAM
from typing import Any

import httpx
import pytest
from tests.waiting import PATIENCE, until

from veilbot_adapters import addresses
from veilbot_adapters.vpn.pinning import PinnedTransport, PrivateAddress
from veilbot_adapters.vpn.v2ray_tls import open_channel
from veilbot_core.domain.errors import Rejected, Unavailable

PUBLIC = "203.0.112.7"
INSIDE = [
    *("127.0.0.1", "127.8.8.8", "10.1.2.3", "192.168.0.1", "172.16.5.5", "169.254.169.254", "100.64.0.1", "0.0.0.0"),  # noqa: S104
    *(
        "168.63.129.16",
        "64:ff9b::a83f:8110",
        "192.0.0.8",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
    ),
    *("::1", "::", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "100::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::"),
    "2001:0:7f00:1::",
]


@pytest.mark.parametrize("host", [*INSIDE, "localhost", "a.localhost", "printer.local", "metadata.google.internal"])
def test_what_is_inside_is_not_public(host: str) -> None:
    assert addresses.is_host(host)
    assert not addresses.is_public(host)


@pytest.mark.parametrize(
    "host",
    [
        "8.8.8.8",
        PUBLIC,
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "vpn.example.com",
        "xn--e1afmkfd.xn--p1ai",
    ],
)
def test_what_is_outside_is_public(host: str) -> None:
    assert addresses.is_public(host)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            "0",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f.0.0.1",
            "0x7f000001",
            "0177.0.0.1",
            "127.0.0.1.",
            "1.2.3.4.5",
        ),
        *("a b", "-a.com", "a..b", "ä.de", "a_b.de", "A.de", "[::1]", "::1%lo", "2606:4700::1111%eth0", "127。0。0。1"),
        *(
            "①②⑦.0.0.1",
            "１２７.0.0.1",
            "a" * 64 + ".de",
            "a." * 127 + "de",
            "localhost\n",
            "a@b",
            "a/b",
            "a:80",
            "a\x00",
        ),
    ],
)
def test_what_is_no_host(host: str) -> None:
    assert not addresses.is_host(host)


class Network(asyncio.SelectorEventLoop):
    """A loop whose names resolve as a test says, and whose connections are only noted."""

    def __init__(self, *answers: Sequence[str]) -> None:
        super().__init__()
        self._answers = list(answers)
        self._real = socket.getaddrinfo
        self.asked: list[Any] = []
        self.called: list[Any] = []
        socket.getaddrinfo = self._resolve  # type: ignore[assignment]

    def close(self) -> None:
        socket.getaddrinfo = self._real
        super().close()

    def _resolve(self, host: Any, port: Any, **_: Any) -> Any:
        self.asked.append(host)
        families = {False: AF_INET, True: AF_INET6}
        return [(families[":" in one], SOCK_STREAM, 6, "", (one, port)) for one in self._answers.pop(0)]

    async def create_connection(self, *given: Any, **_: Any) -> Any:
        self.called.append(given[1])
        raise ConnectionRefusedError


def meet(network: Network, act: Callable[[], Awaitable[object]]) -> object:
    """Do something in a network; return the error that it ends with."""

    async def go() -> object:
        try:
            return await act()
        except (httpx.ConnectError, Rejected, Unavailable) as error:
            return type(error)

    return network.run_until_complete(go())


def outline(host: str, *, allow_private: bool = False) -> Callable[[], Awaitable[object]]:
    """Call a server under this name; the settings were checked long ago."""
    transport = PinnedTransport(httpx.URL(f"https://{host}/secret"), bytes(32), allow_private=allow_private)
    return lambda: transport.handle_async_request(httpx.Request("GET", f"https://{host}/secret"))


def v2ray(host: str) -> Callable[[], Awaitable[object]]:
    """Open a channel to a core behind a proxy."""
    settings = {"cert_sha256": "0" * 64, "client_cert": "", "client_key": ""}
    return lambda: open_channel(host, 443, settings, allow_private=False)


@pytest.mark.parametrize("inside", INSIDE)
def test_a_name_that_leads_inside_is_never_called(inside: str) -> None:
    network = Network([inside], [inside])
    try:
        assert meet(network, outline("vpn.example.com")) is PrivateAddress
        assert meet(network, v2ray("vpn.example.com")) is Rejected
        assert network.called == []
        assert network.asked == ["vpn.example.com"] * 2
    finally:
        network.close()


@pytest.mark.parametrize("inside", INSIDE)
def test_an_address_inside_is_never_called(inside: str) -> None:
    network = Network()
    try:
        assert meet(network, outline(f"[{inside}]" if ":" in inside else inside)) is PrivateAddress
        assert network.called == network.asked == []
    finally:
        network.close()


def test_a_name_is_resolved_once_and_its_address_called() -> None:
    """What the name means a moment later does not matter to this connection; the next one looks anew."""
    network = Network([PUBLIC], ["127.0.0.1"], ["169.254.169.254", PUBLIC])
    call = outline("moves.example.com")
    try:
        assert meet(network, call) is httpx.ConnectError
        assert (network.asked, network.called) == (["moves.example.com"], [PUBLIC])
        assert meet(network, call) is PrivateAddress
        assert network.called == [PUBLIC]
        assert meet(network, call) is httpx.ConnectError
        assert network.called == [PUBLIC, PUBLIC]
    finally:
        network.close()


def test_an_operator_may_allow_what_is_inside() -> None:
    network = Network(["127.0.0.1"])
    try:
        assert meet(network, outline("vpn.example.com", allow_private=True)) is httpx.ConnectError
        assert network.called == ["127.0.0.1"]
    finally:
        network.close()


async def test_names_that_hang_keep_no_other_name_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each name that hangs costs one thread, however many wait for it, and none of the event loop's own."""
    over, asked = threading.Event(), list[Any]()

    def hanging(host: Any, port: Any, **_: Any) -> Any:
        asked.append(host)
        if str(host).startswith("dead"):
            over.wait(PATIENCE)
        return [(AF_INET, SOCK_STREAM, 6, "", (PUBLIC, port))]

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    async with asyncio.TaskGroup() as group:
        names = [f"dead{number}.example.com" for number in range(8) for _ in range(5)]
        waiting = [group.create_task(addresses.resolve(name, 443, allow_private=False)) for name in names]
        given_up = group.create_task(addresses.resolve("dead0.example.com", 443, allow_private=False))
        await asyncio.sleep(0)
        given_up.cancel()
        async with asyncio.timeout(PATIENCE / 2):
            assert await addresses.resolve("alive.example.com", 443, allow_private=False) == [PUBLIC]
            assert await asyncio.to_thread(lambda: "free") == "free"
        assert not any(task.done() for task in waiting)
        over.set()
    assert {tuple(task.result()) for task in waiting} == {(PUBLIC,)}
    assert sorted(asked) == sorted({*names, "alive.example.com"})
    assert await addresses.resolve("dead0.example.com", 443, allow_private=False) == [PUBLIC]
    assert asked.count("dead0.example.com") == 2, "what was found out is not kept: the next connection looks anew"


async def test_names_that_nobody_waits_for_any_more_are_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process would stay until each of them was; and nobody hears that one of them failed after all."""
    over, asked, said = threading.Event(), list[Any](), list[Any]()

    def hanging(host: Any, *_: Any, **__: Any) -> Any:
        asked.append(host)
        over.wait(PATIENCE)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    async with asyncio.TaskGroup() as group:
        names = [f"h{number}.example.com" for number in range(100)]
        tasks = [group.create_task(addresses.resolve(name, 443, allow_private=False)) for name in names]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
    over.set()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(AF_INET, SOCK_STREAM, 6, "", (PUBLIC, 443))])
    async with asyncio.timeout(PATIENCE):
        assert await addresses.resolve("next.example.com", 443, allow_private=False) == [PUBLIC]
        await until(lambda: not addresses._asked)
    gc.collect()
    await asyncio.sleep(0)
    assert len(asked) <= 32
    assert not said
