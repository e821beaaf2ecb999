"""Module vpn."""

import asyncio
import base64
from datetime import timedelta
from uuid import UUID

from dependency_injector import providers
from tests.runners.api.world import ENDPOINT, NOWHERE, World, open_world

from veilbot_adapters import memory
from veilbot_core.domain.errors import Rejected, Unavailable
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.domain.tariff import Protocol
from veilbot_runners.container import Container
from veilbot_runners.settings import load


async def test_a_server_is_added_after_a_sign_of_life(world: World) -> None:
    made = await world.server(capacity=3, weight=7, access="vip", group="eu")
    assert "endpoint" not in made
    path = f"/api/v1/vpn/servers/{made['id']}"
    assert await world.get(path) == made
    for turn, status in (("drain", "draining"), ("disable", "disabled"), ("enable", "active")):
        assert (await world.post(f"{path}/{turn}"))["status"] == status
    assert (await world.post(f"{path}/resize", json={"capacity": 7}))["capacity"] == 7
    assert (await world.post(f"{path}/resize", 400, json={"capacity": -7}))["errors"][0]["field"] == "capacity"
    made = await world.get(path)
    others = [(await world.server(f"s{n}"))["id"] for n in range(4)]
    listed = await world.everything("/api/v1/vpn/servers", 2)
    assert [server["id"] for server in listed] == [made["id"], *others]
    assert "hush" not in str(listed)


async def test_a_server_that_does_not_answer_is_not_saved(world: World) -> None:
    body = {"name": "A", "protocol": "outline", "country": "NL", "endpoint": ENDPOINT}
    world.vpn.fail_next(Unavailable("connection refused"))
    assert (await world.post("/api/v1/vpn/servers", 503, json=body))["code"] == "unavailable"
    world.vpn.fail_next(Rejected("the certificate is another one"))
    assert (await world.post("/api/v1/vpn/servers", 502, json=body))["code"] == "rejected"
    assert (await world.get("/api/v1/vpn/servers"))["items"] == []
    await world.post("/api/v1/vpn/servers", 201, json=body | {"probe": False})
    assert (await world.post("/api/v1/vpn/servers", 409, json=body))["code"] == "already_exists"
    assert (await world.post("/api/v1/vpn/servers", 409, json=body | {"protocol": "v2ray"}))["code"] == "protocol_off"
    problem = await world.post("/api/v1/vpn/servers", 400, json=body | {"name": "B", "endpoint": {"api_url": " "}})
    assert problem["errors"][0]["field"] == "api_url"


async def test_who_may_add_servers_cannot_find_out_what_listens_on_this_machine() -> None:
    callers = []

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer)
        writer.close()

    door = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = door.sockets[0].getsockname()[1]
    for named, status in (((), 400), ((port + 1,), 400), ((port,), 503)):
        container = Container(settings=providers.Object(load(env_file=None, local_api_ports=named)))
        protocols = {Protocol.OUTLINE: memory.MemoryVpn(), Protocol.V2RAY: container.protocols()[Protocol.V2RAY]}
        endpoint = {"api": f"localhost:{port}", "inbound": "in", "address": "vpn.example.com", "port": "443"}
        body = {"name": "A", "protocol": "v2ray", "country": "NL", "endpoint": endpoint}
        async with open_world(protocols=protocols) as world:
            problem = await world.post("/api/v1/vpn/servers", status, json=body)
        assert bool(callers) is (status == 503)
        if status == 400:
            assert problem["errors"][0]["field"] == "api"
        await protocols[Protocol.V2RAY].close()
    door.close()


async def test_the_status_is_probed_and_kept(world: World) -> None:
    up, down = await world.server("up"), await world.server("down")
    world.remote(down["id"]).down = True
    probes = world.vpn.calls["probe"]
    for _ in range(3):
        page = await world.get("/api/v1/vpn/status")
    assert {one["server_id"]: one["healthy"] for one in page["items"]} == {up["id"]: True, down["id"]: False}
    assert world.vpn.calls["probe"] == probes + 2


async def test_a_server_is_compared_and_mended(world: World) -> None:
    subscription = await world.bought()
    [server] = (await world.get("/api/v1/vpn/servers"))["items"]
    path = f"/api/v1/vpn/servers/{server['id']}/reconcile"
    await world.clock.advance(1)
    remote = world.remote(server["id"])
    [key_id] = remote.keys
    remote.keys.clear()
    report = await world.post(path, json={"dry_run": True})
    assert (report["agreed"], report["missing"], report["wanted"]) == (False, [key_id], 1)
    await world.work()
    assert not remote.keys
    await world.post(path)
    await world.work()
    assert list(remote.keys) == [key_id]
    world.remote(server["id"]).down = True
    assert (await world.post(path, 503))["code"] == "unavailable"
    assert subscription["standing"] == "active"


async def test_a_server_is_emptied(world: World) -> None:
    subscription = await world.bought()
    [server] = (await world.get("/api/v1/vpn/servers"))["items"]
    other = await world.server("other")
    path = await world.link(subscription)
    before = (await world.call("GET", path)).text
    moved = await world.post(f"/api/v1/vpn/servers/{server['id']}/move", 202)
    assert moved["status"] == "draining"
    await world.work()
    assert (await world.get(f"/api/v1/vpn/servers/{server['id']}"))["reserved"] == 0
    assert len(world.remote(other["id"]).keys) == 1
    [key] = [key for key in (await world.get("/api/v1/vpn/keys"))["items"] if key["server_id"] == other["id"]]
    after = base64.b64decode((await world.call("GET", path)).text).decode().strip()
    assert after == world.vpn.url(ServerId(UUID(other["id"])), KeyId(UUID(key["id"])))
    assert after not in base64.b64decode(before).decode()
    missing = await world.post(f"/api/v1/vpn/servers/{subscription['id']}/move", 404)
    assert missing["code"] == "not_found"


async def test_a_key_is_granted_by_hand_and_extended(world: World) -> None:
    user, tariff = await world.user(), await world.tariff()
    gift = {"user_id": user["id"], "tariff_id": tariff["id"], "days": 10, "country": "NL"}
    assert (await world.post("/api/v1/vpn/keys", 409, json=gift))["code"] == "no_capacity"
    await world.server()
    given = await world.post("/api/v1/vpn/keys", 201, json=gift)
    assert given["ends_at"] == "2026-01-11T12:00:00Z"
    path = f"/api/v1/vpn/subscriptions/{given['id']}"
    assert (await world.get(path))["coming"] == 1
    await world.work()
    shown = await world.get(path)
    assert (shown["working"], shown["coming"]) == (1, 0)
    extended = await world.post(f"{path}/extend", json={"days": 5})
    assert extended["ends_at"] == "2026-01-16T12:00:00Z"
    await world.clock.advance(1)
    again = await world.post("/api/v1/vpn/keys", 201, json=gift)
    assert again["id"] != given["id"]
    listed = await world.everything("/api/v1/vpn/subscriptions", 1)
    assert [one["id"] for one in listed] == [again["id"], given["id"]]


async def test_days_beyond_the_calendar_are_refused(world: World) -> None:
    path = f"/api/v1/vpn/subscriptions/{(await world.bought())['id']}/extend"
    for days in (0, -1, 3651, 10**40, "5", 1.5, True, None):
        assert (await world.post(path, 400, json={"days": days}))["errors"][0]["field"] == "days"
    await world.clock.advance(timedelta(days=365 * 7900).total_seconds())
    await world.post(path, json={"days": 3650})
    statuses = {(await world.call("POST", path, json={"days": 3650})).status_code for _ in range(9)}
    assert statuses == {200, 400}


async def test_keys_show_who_uses_what_and_never_what_opens_them(world: World) -> None:
    subscriptions = [await world.bought() for _ in range(3)]
    keys = await world.everything("/api/v1/vpn/keys", 2)
    uses = await world.everything("/api/v1/vpn/users", 2)
    assert {key["user_id"] for key in keys} == {use["user_id"] for use in uses} == {s["user_id"] for s in subscriptions}
    assert all(key["wanted"] and key["present"] and key["settled"] for key in keys)
    assert all(use["country"] == "NL" and use["server"].startswith("server of") for use in uses)
    assert "mem://" not in str(keys) + str(uses)
    [mine] = (await world.get("/api/v1/vpn/keys", params={"user_id": subscriptions[0]["user_id"]}))["items"]
    assert mine["subscription_id"] == subscriptions[0]["id"]


async def test_the_link_is_for_those_who_may_write(world: World) -> None:
    path = f"/api/v1/vpn/subscriptions/{(await world.bought())['id']}"
    assert "/s/" in (await world.get(path, headers=await world.key("vpn:write")))["link"]
    assert (await world.get(path, headers=await world.key("vpn:read")))["link"] is None


async def test_what_is_not_there(world: World) -> None:
    await world.get(f"/api/v1/vpn/servers/{NOWHERE}", 404)
    await world.get(f"/api/v1/vpn/subscriptions/{NOWHERE}", 404)
    for turn in ("drain", "enable", "disable", "reconcile"):
        await world.post(f"/api/v1/vpn/servers/{NOWHERE}/{turn}", 404)
    await world.post(f"/api/v1/vpn/subscriptions/{NOWHERE}/extend", 404, json={"days": 1})
    gift = {"user_id": NOWHERE, "tariff_id": NOWHERE, "days": 1}
    await world.post("/api/v1/vpn/keys", 404, json=gift)
