"""Outline's wire: paths, limits, and what its answers mean; the contract has the rest."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

import pytest
from tests.waiting import PATIENCE, until

from veilbot_adapters.memory.clock import MemoryClock
from veilbot_adapters.memory.ids import MemoryIds
from veilbot_adapters.resilience import Guards, Limits
from veilbot_adapters.vpn.outline import OutlineProtocol
from veilbot_core.domain.errors import Rejected, Unavailable, Unknown
from veilbot_core.domain.ids import ServerId
from veilbot_core.ports.vpn import Endpoint, KeySpec, Metering
from veilbot_runners.sandbox.outline import OutlineSandbox
from veilbot_runners.sandbox.outline_server import Outage, OutlineServer

Reach = Callable[..., Endpoint]


async def test_the_url_is_the_servers_with_the_keys_name_for_apps(
    outline: OutlineProtocol, server: OutlineServer, reach: Reach, key: KeySpec
) -> None:
    url = await outline.issue(reach(server), key)
    made = server.keys[str(key.id)]
    assert url == f"{made.access_url}#Amsterdam%201%20%2F%20NL"
    assert made.name == key.name


async def test_a_key_that_is_there_keeps_its_name_and_gets_the_limit(
    outline: OutlineProtocol, server: OutlineServer, reach: Reach, key: KeySpec
) -> None:
    await outline.issue(reach(server), key)
    await outline.issue(reach(server), replace(key, name="Other", limit=7))
    made = server.keys[str(key.id)]
    assert (made.name, made.limit) == (key.name, 7)


async def test_one_new_key_is_one_request_on_one_connection(
    outline: OutlineProtocol, server: OutlineServer, reach: Reach, key: KeySpec
) -> None:
    before = server.requests
    await outline.issue(reach(server), key)
    assert server.requests == before + 1


async def test_readings_are_a_window(outline: OutlineProtocol, server: OutlineServer, reach: Reach) -> None:
    assert (await outline.usage(reach(server))).metering is Metering.WINDOW


@pytest.mark.parametrize(
    ("outage", "issued"),
    [
        (Outage.HANG, Unknown),
        (Outage.LOST, Unknown),
        (Outage.ERROR_AFTER, Unavailable),
        (Outage.FULL, Unavailable),
        (Outage.BUSY, Unavailable),
        (Outage.DOWN, Unavailable),
        (Outage.GARBAGE, Rejected),
    ],
)
async def test_outages_by_what_the_caller_must_do(
    outline: OutlineProtocol,
    hasty: OutlineProtocol,
    sandbox: OutlineSandbox,
    server: OutlineServer,
    reach: Reach,
    key: KeySpec,
    clock: MemoryClock,
    *,
    outage: Outage,
    issued: type[Exception],
) -> None:
    endpoint = reach(server)
    await sandbox.play(server.name, outage)
    with pytest.raises(issued):
        await (hasty if issued is Unknown else outline).issue(endpoint, key)
    await sandbox.play(server.name, Outage.NONE)
    await clock.advance(7)  # a busy one asked for that
    await outline.issue(endpoint, key)
    assert list(server.keys) == [str(key.id)]


async def test_a_busy_server_says_when_to_come_back(
    outline: OutlineProtocol, sandbox: OutlineSandbox, server: OutlineServer, reach: Reach
) -> None:
    await sandbox.play(server.name, Outage.BUSY)
    with pytest.raises(Unavailable) as caught:
        await outline.list(reach(server))
    assert caught.value.retry_after == 7
    asked = server.requests
    with pytest.raises(Unavailable):
        await outline.usage(reach(server))
    assert server.requests == asked, "what it asked for holds for every call"


async def test_reading_from_a_server_that_hangs_is_unavailable(
    hasty: OutlineProtocol, sandbox: OutlineSandbox, server: OutlineServer, reach: Reach
) -> None:
    await sandbox.play(server.name, Outage.HANG)
    with pytest.raises(Unavailable):
        await hasty.list(reach(server))


async def test_a_wrong_secret_path_is_told_and_no_revocation(
    outline: OutlineProtocol, server: OutlineServer, reach: Reach, key: KeySpec
) -> None:
    """The server answers 404 to both a missing key and a wrong path; only the first means that the key is gone."""
    endpoint = reach(server)
    wrong = replace(endpoint, settings={**endpoint.settings, "api_url": server.api_url[:-1] + "_"})
    for call in (outline.revoke(wrong, key.id), outline.issue(wrong, key), outline.probe(wrong)):
        with pytest.raises(Rejected, match="secret"):
            await call


async def test_new_settings_are_used_at_once(
    outline: OutlineProtocol, sandbox: OutlineSandbox, server: OutlineServer, reach: Reach, key: KeySpec
) -> None:
    endpoint = reach(server)
    await outline.issue(endpoint, key)
    other = replace(endpoint, settings={**endpoint.settings, "cert_sha256": "0" * 64})
    with pytest.raises(Rejected, match="certificate"):
        await outline.list(other)
    assert len(await outline.list(endpoint)) == 1
    assert sandbox.servers[server.name].keys


async def test_settings_that_were_stored_broken_are_told(outline: OutlineProtocol) -> None:
    with pytest.raises(Rejected):
        await outline.probe(Endpoint(server_id=ServerId(UUID(int=1)), settings={"api_url": "https://x/y"}))


async def test_a_forgotten_server_is_met_again_as_a_new_one(
    outline: OutlineProtocol, server: OutlineServer, reach: Reach, key: KeySpec
) -> None:
    await outline.issue(reach(server), key)
    outline.forget(reach(server).server_id)
    outline.forget(reach(server).server_id)
    assert len(await outline.list(reach(server))) == 1


async def test_one_hanging_server_takes_four_calls_and_slows_nobody(server: OutlineServer, key: KeySpec) -> None:
    clock = MemoryClock()
    limits = Limits(timeout=PATIENCE, wait=PATIENCE, fail_max=1)
    outline = OutlineProtocol(Guards(clock, MemoryIds(clock), limits), allow_private=True)
    async with OutlineSandbox({"bad": 0}) as others, asyncio.TaskGroup() as group:
        bad = others.servers["bad"]
        await others.play("bad", Outage.HANG)
        ends = [
            Endpoint(
                server_id=ServerId(UUID(int=n)),
                settings=outline.settings({"api_url": it.api_url, "cert_sha256": it.cert_sha256}),
            )
            for n, it in enumerate((bad, server))
        ]
        hung = [group.create_task(_kind(outline.issue(ends[0], key))) for _ in range(30)]
        for _ in range(20):
            await outline.issue(ends[1], key)
        await until(lambda: bad.requests == 4)
        assert [task.result() for task in hung if task.done()] == [Unavailable] * 10  # four call and sixteen wait
        await others.play("bad", Outage.NONE)
        await asyncio.wait(hung)
        assert [task.result() for task in hung].count(None) == 20
        await outline.close()


async def _kind(call: Awaitable[object]) -> type[Exception] | None:
    try:
        await call
    except Exception as error:  # noqa: BLE001 (its kind is the result)
        return type(error)
    return None
