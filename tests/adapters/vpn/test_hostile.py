"""A server may be broken, replaced or hostile: it costs one clear error, bounded time and memory, and no secret."""

import asyncio
import gzip
import json
import logging
import traceback
from collections.abc import Awaitable, Callable

import pytest
from tests.waiting import PATIENCE, until

from veilbot_adapters.vpn.outline import OutlineProtocol
from veilbot_core.domain.errors import PortError, Rejected, Unavailable, Unknown
from veilbot_core.ports.vpn import Endpoint, KeySpec

CANARY = "S3cretPathCanary"


def answer(body: bytes | object, status: str = "201 Created", extra: str = "") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\n{extra}Content-Length: {len(content)}\r\n\r\n".encode() + content


KEY = {"id": "00000000-0000-0000-0000-000000000007", "accessUrl": "ss://abcdefgh@127.0.0.1:1/?outline=1"}
LIMITED = {**KEY, "dataLimit": {"bytes": 1000}}

ANSWERS: dict[str, tuple[bytes, type[PortError]]] = {
    "html": (answer(b"<html>It works!</html>", "200 OK"), Rejected),
    "empty": (answer(b"", "200 OK"), Rejected),
    "a list": (answer([1]), Rejected),
    "deep": (answer(b"[" * 100_000), Rejected),
    "not utf-8": (answer(b'{"id": "\xff\xfe"}'), Rejected),
    "a huge number": (answer(b'{"id":' + b"9" * 10_000 + b"}"), Rejected),
    "no url": (answer({**LIMITED, "accessUrl": None}), Rejected),
    "url of another kind": (answer({**LIMITED, "accessUrl": "https://evil.example/abcdefgh"}), Rejected),
    "url with control characters": (answer({**LIMITED, "accessUrl": "ss://abcdefgh\r\nSet: 1"}), Rejected),
    "url with markup": (answer({**LIMITED, "accessUrl": 'ss://abcdefgh#"><b>'}), Rejected),
    "endless url": (answer({**LIMITED, "accessUrl": "ss://" + "a" * 5000}), Rejected),
    "another key": (answer({**LIMITED, "id": "8"}), Rejected),
    "id of another type": (answer({**LIMITED, "id": 7}), Rejected),
    "negative limit": (answer({**KEY, "dataLimit": {"bytes": -1}}), Rejected),
    "true as limit": (answer({**KEY, "dataLimit": {"bytes": True}}), Rejected),
    "nan as limit": (answer({**KEY, "dataLimit": {"bytes": float("nan")}}), Rejected),
    "text as limit": (answer({**KEY, "dataLimit": "much"}), Rejected),
    "a redirect": (answer(b"", "302 Found", "Location: https://evil.example/\r\n"), Rejected),
    "a refusal": (answer({"code": "InvalidArgument", "message": CANARY}, "400 Bad Request"), Rejected),
    "a refusal with a strange code": (answer({"code": f"/{CANARY}/"}, "418 Teapot"), Rejected),
    "an old server": (answer({"code": "MethodNotAllowed", "message": ""}, "405 Method Not Allowed"), Rejected),
    "locked": (answer(b"no", "403 Forbidden"), Rejected),
    "a proxy's error": (answer(b"<html>", "502 Bad Gateway"), Unavailable),
    "switching protocols": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", Rejected),
    "packed": (answer(gzip.compress(json.dumps(LIMITED).encode()), extra="Content-Encoding: gzip\r\n"), Rejected),
    "not http": (b"SSH-2.0-OpenSSH_9.6\r\n", Rejected),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", Rejected),
    "a too large one": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b" " * 3_000_000, Rejected),
    "endless headers": (b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 400_000, Rejected),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_bad_answer_is_one_clear_error_without_secrets(
    outline: OutlineProtocol,
    meet: Callable[..., Awaitable[object]],
    reach: Callable[[object], Endpoint],
    key: KeySpec,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    said, kind = ANSWERS[name]
    endpoint = reach(await meet(said))
    with caplog.at_level(logging.DEBUG), pytest.raises(kind) as caught:
        await outline.issue(endpoint, key)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(endpoint) + caplog.text
    assert CANARY not in shown
    assert "127.0.0.1" in caught.value.message


async def test_interim_answers_are_skipped(
    outline: OutlineProtocol, meet: Callable[..., Awaitable[object]], reach: Callable[[object], Endpoint], key: KeySpec
) -> None:
    stranger = await meet(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(LIMITED))
    assert (await outline.issue(reach(stranger), key)).startswith("ss://abcdefgh@")


PLANTED = answer({"accessKeys": [{"id": "planted"}]}, "200 OK")


@pytest.mark.parametrize("more", [PLANTED, b"garbage", PLANTED[:-5]])
@pytest.mark.parametrize("later", [False, True])
async def test_what_was_not_asked_for_is_not_given_to_the_next_request(
    outline: OutlineProtocol,
    meet: Callable[..., Awaitable[object]],
    reach: Callable[[object], Endpoint],
    key: KeySpec,
    more: bytes,
    later: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    planted = asyncio.Event()

    async def plant(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if later:
            writer.write(answer(LIMITED))
            await asyncio.sleep(0.02)
            writer.write(more)
        else:
            writer.write(answer(LIMITED) + more)
        planted.set()

    stranger = await meet(plant)
    await outline.issue(reach(stranger), key)
    await planted.wait()
    await asyncio.sleep(0.05)  # what was sent has arrived then
    with pytest.raises(Rejected):
        await outline.list(reach(stranger))  # the answer to its own request is a key, not the planted list
    assert stranger.connections == 2  # type: ignore[attr-defined]


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send one byte after the other, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not writer.transport.is_closing():
        writer.write(b"x")
        await asyncio.sleep(0.01)


async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send 100 MB, as far as anybody takes them."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    for _chunk in range(100):
        if writer.transport.is_closing():
            return
        writer.write(b"\0" * 1_000_000)
        await writer.drain()


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the request and go."""
    writer.transport.abort()


@pytest.mark.parametrize(
    ("act", "issued", "listed"),
    [(drip, Unknown, Unavailable), (hang_up, Unknown, Unavailable)],
)
async def test_bad_manners_end_in_time(
    hasty: OutlineProtocol,
    meet: Callable[..., Awaitable[object]],
    reach: Callable[[object], Endpoint],
    key: KeySpec,
    act: object,
    issued: type[PortError],
    listed: type[PortError],
) -> None:
    endpoint = reach(await meet(act))
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(issued):
            await hasty.issue(endpoint, key)
        with pytest.raises(listed):
            await hasty.list(endpoint)


async def test_100_megabytes_are_not_taken(
    outline: OutlineProtocol, meet: Callable[..., Awaitable[object]], reach: Callable[[object], Endpoint], key: KeySpec
) -> None:
    endpoint = reach(await meet(flood))
    for call in (
        outline.issue(endpoint, key),
        outline.list(endpoint),
        outline.usage(endpoint),
        outline.probe(endpoint),
    ):
        with pytest.raises(Rejected):
            await call


async def test_a_body_without_an_end_is_left_where_it_is_too_long_or_too_late(
    hasty: OutlineProtocol, meet: Callable[..., Awaitable[object]], reach: Callable[[object], Endpoint], key: KeySpec
) -> None:
    sent = left = 0

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent, left
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while not writer.transport.is_closing():
                writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0)  # drain() alone gives nobody a turn once the other end is gone
                sent += 65_536
        finally:
            left += 1

    endpoint = reach(await meet(endless))
    async with asyncio.timeout(PATIENCE):
        for number, call in enumerate((hasty.issue(endpoint, key), hasty.list(endpoint), hasty.probe(endpoint))):
            with pytest.raises((Rejected, Unavailable, Unknown)):
                await call
            await until(lambda number=number: left > number)  # type: ignore[misc]
    assert sent < 100_000_000


@pytest.mark.parametrize(
    "readings",
    [None, [], {"1": "many"}, {"1": -5}, {"1": 2**63}, {"": 1}, {"x" * 101: 1}, {"a\nb": 1}, {"1": True}, {"1": None}],
)
async def test_bad_readings_are_not_booked(
    outline: OutlineProtocol,
    meet: Callable[..., Awaitable[object]],
    reach: Callable[[object], Endpoint],
    readings: object,
) -> None:
    endpoint = reach(await meet(answer({"bytesTransferredByUserId": readings}, "200 OK")))
    with pytest.raises(Rejected):
        await outline.usage(endpoint)


@pytest.mark.parametrize(
    "keys", [None, {}, ["7"], [{"id": None}], [{"id": "a\x1b[2J"}], [{"id": "x" * 101}], [{"id": "1", "dataLimit": {}}]]
)
async def test_a_bad_list_is_no_empty_list(
    outline: OutlineProtocol, meet: Callable[..., Awaitable[object]], reach: Callable[[object], Endpoint], keys: object
) -> None:
    endpoint = reach(await meet(answer({"accessKeys": keys}, "200 OK")))
    with pytest.raises(Rejected):
        await outline.list(endpoint)


@pytest.mark.parametrize("who", [{}, {"name": "x", "version": 1}, {"name": "a\x1b[31m", "version": "1"}])
async def test_a_server_must_say_who_it_is(
    outline: OutlineProtocol, meet: Callable[..., Awaitable[object]], reach: Callable[[object], Endpoint], who: object
) -> None:
    endpoint = reach(await meet(answer(who, "200 OK")))
    with pytest.raises(Rejected):
        await outline.probe(endpoint)
