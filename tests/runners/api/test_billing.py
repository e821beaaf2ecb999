"""Module billing."""

from typing import Any

import pytest
from tests.runners.api.world import NOWHERE, World


async def test_a_tariff_is_sold_and_archived(world: World) -> None:
    made = await world.tariff(prices={"USD": 499, "RUB": 49900}, traffic_limit=10**11, device_limit=3, groups=["eu"])
    assert made["prices"] == [{"amount": 49900, "currency": "RUB"}, {"amount": 499, "currency": "USD"}]
    assert made["terms"] == {
        "name": "Month",
        "days": 30,
        "traffic_limit": 10**11,
        "device_limit": 3,
        "protocols": ["outline"],
        "groups": ["eu"],
    }
    path = f"/api/v1/billing/tariffs/{made['id']}"
    assert await world.get(path) == made
    assert (await world.post(f"{path}/archive"))["archived_at"]
    others = [(await world.tariff(name=f"T{n}"))["id"] for n in range(4)]
    assert [t["id"] for t in await world.everything("/api/v1/billing/tariffs", 2)] == [made["id"], *others]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": 10**30}, "days"),
        ({"days": "30"}, "days"),
        ({"prices": {}}, "prices"),
        ({"prices": {"usd": 5}}, "prices"),
        ({"prices": {"USD": 0}}, "prices"),
        ({"prices": {"USD": 4.99}}, "prices"),
        ({"protocols": []}, "protocols"),
        ({"protocols": ["outline", "outline"]}, "protocols"),
        ({"protocols": ["carrier pigeon"]}, "protocols"),
        ({"groups": ["\x00"]}, "groups"),
        ({"name": "x" * 65}, "name"),
        ({"prices": {"QQQ": 499}}, "currency"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_bad_tariff_names_its_field(world: World, changes: dict[str, Any], field: str) -> None:
    body = {"name": "Month", "days": 30, "prices": {"USD": 499}} | changes
    problem = await world.post("/api/v1/billing/tariffs", 400, json=body)
    assert problem["code"] == "invalid_input"
    assert problem["errors"][0]["field"].startswith(field)


async def test_a_checkout_is_opened_once_and_paid(world: World) -> None:
    user, tariff = await world.user(), await world.tariff()
    await world.server()
    order = await world.order(user, tariff, currency="USD", country="NL")
    assert order["checkout_url"].startswith("mem://stripe/pay/")
    assert (order["status"], order["price"]) == ("pending", {"amount": 499, "currency": "USD"})
    assert (await world.order(user, tariff, country="NL"))["id"] == order["id"]
    await world.pay(order)
    path = f"/api/v1/billing/orders/{order['id']}"
    assert (await world.get(path))["status"] == "paid"
    await world.work()
    assert (await world.get(path))["status"] == "fulfilled"
    renewal = await world.order(user, tariff, subscription_id=(await world.get(path))["subscription_id"])
    listed = await world.everything("/api/v1/billing/orders", 1)
    assert [one["id"] for one in listed] == [renewal["id"], order["id"]]
    page = await world.get("/api/v1/billing/orders", params={"user_id": user["id"], "status": "pending"})
    assert [one["id"] for one in page["items"]] == [renewal["id"]]
    assert (await world.get("/api/v1/billing/orders", params={"user_id": NOWHERE}))["items"] == []


async def test_what_cannot_be_bought(world: World) -> None:
    user, tariff = await world.user(), await world.tariff()
    assert (await world.order(user, tariff, 409))["code"] == "no_capacity"
    await world.server()
    assert (await world.order(user, tariff, 409, currency="EUR"))["code"] == "tariff_unavailable"
    assert (await world.order(user, {"id": NOWHERE}, 404))["code"] == "not_found"
    assert (await world.order({"id": NOWHERE}, tariff, 404))["code"] == "not_found"
    assert (await world.order(user, tariff, 400, country="nl"))["errors"][0]["field"] == "country"
    assert (await world.order(user, tariff, 400, provider="cash"))["errors"][0]["field"] == "provider"
    await world.post(f"/api/v1/users/{user['id']}/block")
    assert (await world.order(user, tariff, 409))["code"] == "user_blocked"


async def test_money_goes_back_in_parts(world: World) -> None:
    user, tariff = await world.user(), await world.tariff()
    await world.server()
    order = await world.order(user, tariff)
    path = f"/api/v1/billing/orders/{order['id']}"
    assert (await world.post(f"{path}/refund", 409))["code"] == "conflict"
    assert (await world.post(f"{path}/retry", 409))["code"] == "conflict"
    await world.pay(order)
    assert (await world.post(f"{path}/retry", 202))["status"] == "paid"
    await world.work()
    assert (await world.post(f"{path}/refund", 400, json={"amount": 500}))["errors"][0]["field"] == "amount"
    await world.post(f"{path}/refund", 202, json={"amount": 100})
    await world.work()
    assert (await world.get(path))["status"] == "fulfilled"
    await world.post(f"{path}/refund", 202)
    await world.work()
    assert (await world.get(path))["status"] == "refunded"
    payments = await world.everything("/api/v1/billing/payments", 2)
    assert sorted((one["kind"], one["money"]["amount"]) for one in payments) == [
        ("charge", 499),
        ("refund", 100),
        ("refund", 399),
    ]
    for payment in payments:
        assert await world.get(f"/api/v1/billing/payments/{payment['id']}") == payment
    page = await world.get("/api/v1/billing/payments", params={"user_id": user["id"], "status": "held"})
    assert page["items"] == []


async def test_what_is_not_there(world: World) -> None:
    for path in (f"tariffs/{NOWHERE}", f"orders/{NOWHERE}", f"payments/{NOWHERE}"):
        await world.get(f"/api/v1/billing/{path}", 404)
    for path in (f"tariffs/{NOWHERE}/archive", f"orders/{NOWHERE}/refund", f"orders/{NOWHERE}/retry"):
        await world.post(f"/api/v1/billing/{path}", 404)
    for query in ({"status": "lost"}, {"user_id": "x"}, {"limit": 101}, {"limit": 0}, {"limit": "many"}):
        problem = await world.get("/api/v1/billing/orders", 400, params=query)
        assert problem["errors"][0]["field"] == next(iter(query))


async def test_the_document_says_whose_limits_are_kept(world: World) -> None:
    document = world.document.content
    for name in ("NewTariff", "TermsView"):
        shown = str(document["components"]["schemas"][name]["properties"]["traffic_limit"])
        assert "`v2ray`" in shown
