"""Customers, tariffs, API keys and requests."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from tests.services.world import DAY, HOUR, MINUTE, World, together

from veilbot_adapters.memory import MemoryIds
from veilbot_core.domain.errors import (
    AlreadyExists,
    Conflict,
    InvalidInput,
    NotFound,
    Unauthorized,
    UserBlocked,
)
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import ApiKeyId, TariffId, UserId
from veilbot_core.domain.order import OrderStatus
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.domain.tariff import Protocol, Tariff
from veilbot_core.domain.user import Language, User
from veilbot_core.services.requests import Answer


class TestUsers:
    async def test_a_customer_is_known_again(self, world: World) -> None:
        first = await world.app.users.arrive(5, "Ann", "ru")
        assert await world.app.users.arrive(5, "Ann Other", "en") == first
        assert (first.name, first.language) == ("Ann", Language.RU)
        assert (await world.events())[EventType.USER_CREATED] == 1

    async def test_two_first_messages_at_once_are_one_customer(self, world: World) -> None:
        first, second = await together(*(world.app.users.arrive(5, "Ann", "en") for _ in range(2)))
        assert first == second
        assert len(await world.app.users.page(limit=10)) == 1

    @pytest.mark.parametrize("telegram_id", [0, -1, 2**52, 2**63, 10**40])
    async def test_what_is_no_account_is_refused(self, world: World, telegram_id: int) -> None:
        for act in (world.app.users.add("Ann", telegram_id), world.app.users.arrive(telegram_id, "Ann", "en")):
            with pytest.raises(InvalidInput):
                await act

    async def test_an_id_that_was_given_twice_is_an_error(self, world: World, ann: User) -> None:
        class Stuck(MemoryIds):
            def new(self) -> UUID:
                return ann.id

        users = replace(world.app.users, ids=Stuck(world.out.clock))
        with pytest.raises(AlreadyExists):
            await users.arrive(6, "Bob", "en")

    async def test_a_name_is_shown_as_text_of_one_line(self, world: World) -> None:
        user = await world.app.users.arrive(5, "  A\n\u202enn\x00" + "x" * 99, None)
        assert user.name.isprintable()
        assert user.name.startswith("Ann")
        assert len(user.name) <= 64

    async def test_an_operator_may_add_one(self, world: World, ann: User) -> None:
        added = await world.app.users.add("Program", language=Language.RU)
        assert (added.telegram_id, added.language) == (None, Language.RU)
        assert await world.app.users.page(limit=10) == [added, ann]
        assert await world.app.users.page(limit=10, after=added.id) == [ann]
        with pytest.raises(AlreadyExists):
            await world.app.users.add("Again", telegram_id=ann.telegram_id)
        with pytest.raises(InvalidInput):
            await world.app.users.add(" \n")

    async def test_language_and_blocking(self, world: World, ann: User) -> None:
        assert (await world.app.users.speak(ann.id, Language.RU)).language is Language.RU
        blocked = await world.app.users.block(ann.id)
        assert await world.app.users.block(ann.id) == blocked
        await world.app.users.unblock(ann.id)
        await world.app.users.unblock(ann.id)
        events = await world.events()
        assert (events[EventType.USER_BLOCKED], events[EventType.USER_UNBLOCKED]) == (1, 1)
        with pytest.raises(NotFound):
            await world.app.users.speak(UserId(world.out.ids.new()), Language.RU)

    async def test_a_blocked_customer_keeps_what_was_paid(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        order = await world.order(ann, tariff)
        await world.app.users.block(ann.id)
        await world.pay(order)
        await world.settle()
        assert await world.status(order) is OrderStatus.FULFILLED
        assert len(world.remote(server)) == 1
        with pytest.raises(UserBlocked):
            await world.app.subscriptions.give(ann.id, tariff.id, days=1, country=None, request=ann.id)


class TestCatalog:
    async def test_what_is_on_sale_is_listed_by_price(self, world: World) -> None:
        dear = await world.tariff(prices={"USD": 900, "JPY": 1})
        cheap = await world.tariff(prices={"USD": 100})
        gone = await world.tariff(prices={"USD": 1})
        await world.app.catalog.archive(gone.id)
        await world.app.catalog.add(dear.terms, {}, trial=True)
        assert await world.app.catalog.on_sale("USD") == [cheap, dear]
        assert await world.app.catalog.on_sale("JPY") == [dear]
        assert len(await world.app.catalog.all()) == 4
        assert await world.app.catalog.get(cheap.id) == cheap

    async def test_countries_are_those_with_a_place_now(self, world: World, tariff: Tariff) -> None:
        for country in ("NL", "DE", "NL"):
            await world.server(country=country)
        await world.server(country="FR", protocol=Protocol.V2RAY)
        await world.server(country="US", capacity=0)
        shut = await world.server(country="SE")
        await world.app.fleet.turn(shut.id, ServerStatus.DRAINING)
        assert await world.app.catalog.countries(tariff.terms, vip=False) == ["DE", "NL"]

    async def test_an_unknown_tariff(self, world: World, ann: User) -> None:
        with pytest.raises(NotFound):
            await world.app.catalog.archive(TariffId(ann.id))


class TestApiKeys:
    async def test_the_secret_is_shown_once_and_opens(self, world: World) -> None:
        key, secret = await world.app.api_keys.add("tool", ["users:read"])
        assert secret.startswith("vb_")
        assert key.hint == secret[:8]
        assert secret not in repr(await world.app.api_keys.all())
        assert await world.app.api_keys.authenticate(secret) == key

    async def test_every_refusal_is_the_same(self, world: World) -> None:
        short, expired = await world.app.api_keys.add("short", ["*"], days=1)
        revoked_key, revoked = await world.app.api_keys.add("gone", ["*"])
        shut = await world.app.api_keys.revoke(revoked_key.id)
        await world.out.clock.advance(DAY.total_seconds())
        assert await world.app.api_keys.revoke(revoked_key.id) == shut
        messages = set()
        for secret in (expired, revoked, "vb_wrong", "", "Bearer", "vb_" + "x" * 500, expired.upper()):
            with pytest.raises(Unauthorized) as refusal:
                await world.app.api_keys.authenticate(secret)
            messages.add(refusal.value.message)
        assert len(messages) == 1
        assert short.expires_at is not None

    @pytest.mark.parametrize("days", [0, -1, 3651, 10**12])
    async def test_an_end_is_some_days_away(self, world: World, days: int) -> None:
        with pytest.raises(InvalidInput) as refusal:
            await world.app.api_keys.add("tool", ["*"], days=days)
        assert refusal.value.field == "days"

    async def test_unknown_keys_and_scopes(self, world: World) -> None:
        with pytest.raises(NotFound):
            await world.app.api_keys.revoke(ApiKeyId(world.out.ids.new()))
        with pytest.raises(InvalidInput):
            await world.app.api_keys.add("tool", ["everything"])
        assert not await world.app.api_keys.all()


class TestRequests:
    async def test_the_same_request_happens_once(self, world: World, ann: User) -> None:
        happened = []

        async def act(_: UUID) -> Answer:
            happened.append(1)
            return Answer(status=201, body=b"made")

        answers = [await world.app.requests.once(ann.id, "k", "POST /x", act) for _ in range(3)]
        assert answers == [Answer(status=201, body=b"made")] * 3
        assert len(happened) == 1

    async def test_callers_and_keys_are_apart(self, world: World, ann: User, bob: User) -> None:
        happened = []

        async def act(_: UUID) -> Answer:
            happened.append(1)
            return Answer(status=200, body=b"")

        for caller, key in ((ann, "a"), (ann, "b"), (bob, "a")):
            await world.app.requests.once(caller.id, key, "f", act)
        assert len(happened) == 3

    async def test_another_request_under_the_key_is_refused(self, world: World, ann: User) -> None:
        async def act(_: UUID) -> Answer:
            return Answer(status=200, body=b"")

        await world.app.requests.once(ann.id, "k", "one", act)
        with pytest.raises(InvalidInput):
            await world.app.requests.once(ann.id, "k", "two", act)
        for bad in ("", "x" * 256, "a\nb"):
            with pytest.raises(InvalidInput):
                await world.app.requests.once(ann.id, bad, "one", act)

    async def test_one_that_is_under_way_is_waited_for(self, world: World, ann: User) -> None:
        async def nested(_: UUID) -> Answer:
            with pytest.raises(Conflict) as refusal:
                await world.app.requests.once(ann.id, "k", "f", nested)
            assert refusal.value.retry_after == 1.0
            return Answer(status=200, body=b"")

        assert (await world.app.requests.once(ann.id, "k", "f", nested)).status == 200

    async def test_a_failure_may_be_tried_again(self, world: World, ann: User) -> None:
        outcomes: Iterator[Exception | Answer] = iter(
            [KeyError(), Answer(status=503, body=b""), Answer(status=200, body=b"")]
        )

        async def act(_: UUID) -> Answer:
            outcome = next(outcomes)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        with pytest.raises(KeyError):
            await world.app.requests.once(ann.id, "k", "f", act)
        assert (await world.app.requests.once(ann.id, "k", "f", act)).status == 503
        assert (await world.app.requests.once(ann.id, "k", "f", act)).status == 200

    async def test_answers_are_forgotten_after_a_day(self, world: World, ann: User) -> None:
        happened = []

        async def act(_: UUID) -> Answer:
            happened.append(1)
            return Answer(status=200, body=b"")

        await world.app.requests.once(ann.id, "k", "f", act)
        await world.advance(23 * HOUR)
        assert await world.app.requests.purge() == 0
        await world.advance(HOUR + MINUTE)
        await world.app.requests.once(ann.id, "k", "f", act)
        assert len(happened) == 2
