"""Module users."""

from tests.runners.api.world import NOWHERE, World


async def test_a_customer_is_made_shown_blocked_and_unblocked(world: World) -> None:
    body = {"name": "Ann", "telegram_id": 42, "language": "ru"}
    made = await world.post("/api/v1/users", 201, json=body)
    assert made["created_at"] == "2026-01-01T12:00:00Z"
    assert {name: made[name] for name in body} == body
    path = f"/api/v1/users/{made['id']}"
    assert await world.get(path) == made
    assert (await world.post(f"{path}/block"))["blocked_at"] == "2026-01-01T12:00:00Z"
    assert (await world.post(f"{path}/unblock"))["blocked_at"] is None


async def test_a_telegram_account_belongs_to_one_customer(world: World) -> None:
    await world.post("/api/v1/users", 201, json={"name": "Ann", "telegram_id": 42})
    problem = await world.post("/api/v1/users", 409, json={"name": "Bob", "telegram_id": 42})
    assert problem["code"] == "already_exists"


async def test_a_name_of_nothing_printable_is_refused(world: World) -> None:
    problem = await world.post("/api/v1/users", 400, json={"name": "\x00\x01"})
    assert problem["errors"][0]["field"] == "name"


async def test_customers_are_listed_newest_first_to_the_end(world: World) -> None:
    made = [(await world.user(f"user {n}"))["id"] for n in range(7)]
    assert [user["id"] for user in await world.everything("/api/v1/users", 3)] == made[::-1]
    assert [user["id"] for user in await world.everything("/api/v1/users", 7)] == made[::-1]


async def test_nobody_is_not_found(world: World) -> None:
    for tail in ("", "/subscriptions", "/payments"):
        assert (await world.get(f"/api/v1/users/{NOWHERE}{tail}", 404))["code"] == "not_found"
    for tail in ("/block", "/unblock"):
        await world.post(f"/api/v1/users/{NOWHERE}{tail}", 404)
    await world.get("/api/v1/users/not-an-id", 404)


async def test_what_a_customer_has_and_paid(world: World) -> None:
    subscription = await world.bought()
    path = f"/api/v1/users/{subscription['user_id']}"
    assert subscription["standing"] == "active"
    assert subscription["ends_at"] == "2026-01-31T12:00:00Z"
    [payment] = await world.everything(f"{path}/payments", 1)
    assert payment["money"] == {"amount": 499, "currency": "USD"}
    assert (payment["kind"], payment["status"], payment["user_id"]) == ("charge", "accepted", subscription["user_id"])
