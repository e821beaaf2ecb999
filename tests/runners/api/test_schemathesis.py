"""Requests made from the OpenAPI document, valid and not, of every operation by every kind of caller, on two storages.

No 5xx but the one that is provoked, no answer that the document lacks, and every operation does succeed.
"""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.generation.case import Case
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.runners.api.stock import CALLERS, Stock, an_update, open_stock, paid

from veilbot_adapters import memory
from veilbot_adapters.database import migrate

DOCUMENTED = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
AnyCase = Case[Any]
AIMED, WILD = 6, 6
"""Requests of each operation: of those that speak of things that are there, and of the others."""
NOTHING_TO_GET_WRONG = {"GET /healthz", "GET /readyz", "GET /paid", "GET /canceled"}
"""They take nothing."""
ANSWERED_WITHOUT_THE_DATABASE = {"GET /healthz", "GET /paid", "GET /canceled", "GET /api/v1/users/{user_id}"}
"""Three ask nobody, and a customer is kept in the cache for a moment."""
SENDERS = ("stripe", "telegram")
RETRY = "POST /api/v1/billing/orders/{order_id}/retry"
"""It drives an order that is paid; the others take one that has its key."""
_KNOWN = {"method", "url", "headers", "files", "data", "params", "auth", "cookies", "hooks", "json"}


def drawn(operation: Any, mode: GenerationMode, count: int) -> list[AnyCase]:
    """Return some requests, the same each time; none if nothing in one can be wrong."""
    cases: list[AnyCase] = []

    @settings(
        max_examples=count, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def keep(case: AnyCase) -> None:
        cases.append(case)

    try:
        keep()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE
    return cases


class Target:
    """A shop, the operations of its API, and what they were answered."""

    def __init__(self, stock: Stock) -> None:
        self.stock = stock
        schema = schemathesis.openapi.from_dict(dict(stock.world.document.content))
        found: list[Any] = list(schema.get_all_operations())
        self.operations: list[Any] = [operation.ok() for operation in found]
        self.answered: dict[str, Counter[tuple[str, int]]] = {one.label: Counter() for one in self.operations}

    def scope(self, operation: Any) -> str | None:
        """Return the scope that the document asks for."""
        security = operation.definition.raw.get("security", [])
        return next((scope for one in security for scopes in one.values() for scope in scopes), None)

    async def aim(self, cases: list[AnyCase]) -> list[AnyCase]:
        """Let requests speak of things that are there, which chance would never find."""
        known = await self.stock.known()
        if cases[0].operation.label == RETRY:
            known["order_id"] = known["paid order"]
        body = {**self.stock.body(), **known}
        for number, case in enumerate(cases):
            for part, of in ((case.path_parameters, known), (case.query, known), (case.body, body)):
                if isinstance(part, dict):
                    part.update({name: of[name] for name in part.keys() & of.keys()})
            if isinstance(case.query, dict) and "after" in case.query:
                case.query["after"] = await self.somewhere(case.operation.path.format(**case.path_parameters))
            if "Idempotency-Key" in (case.headers or {}):  # it draws the same one for other bodies
                case.headers["Idempotency-Key"] = uuid4().hex
            if "provider" in case.path_parameters:
                self._report(case, number, known["open order"])
        return cases

    async def somewhere(self, path: str) -> str:
        """Return a place within a list."""
        after = (await self.stock.world.get(path, params={"limit": 1}))["next"]
        return str(after)

    def _report(self, case: AnyCase, number: int, order_id: str) -> None:
        """Let a webhook's sender be one that there is, and say something that it would say."""
        sender = SENDERS[number % 2]
        said = paid(order_id) if sender == "stripe" else an_update(number)
        case.path_parameters["provider"] = sender
        case.body = {**(case.body if isinstance(case.body, dict) else {}), **said}

    async def send(self, case: AnyCase, caller: str) -> httpx.Response:
        """Send a request as schemathesis would, under the caller's name."""
        mine = await self.stock.caller(caller, self.scope(case.operation))
        kwargs = case.as_transport_kwargs(base_url="http://shop.test", headers=dict(mine))
        ready = requests.Request(**{name: value for name, value in kwargs.items() if name in _KNOWN}).prepare()
        content: Any = ready.body or b""
        body: bytes = content.encode() if isinstance(content, str) else content
        headers = {name: str(value) for name, value in ready.headers.items() if name != "Authorization"}
        headers |= mine
        if sender := case.path_parameters.get("provider"):
            headers |= self.stock.signed(caller, sender, body)
        given: Any = list(headers.items())
        answer = await self.stock.world.http.request(ready.method or "", ready.url or "", content=body, headers=given)
        self.answered[case.operation.label][caller, answer.status_code] += 1
        return answer

    async def try_all(self, cases: list[AnyCase]) -> None:
        """Let every caller send each request; only the right one changes anything."""
        for case in cases:
            gated = self.scope(case.operation) is not None
            for caller in CALLERS:
                await self.stock.caller(caller, self.scope(case.operation))
                before = self.commits
                answer = await self.send(case, caller)
                case.validate_response(answer, checks=[not_a_server_error, *DOCUMENTED])
                if gated and caller != "the right one":
                    refusal = 403 if caller == "a narrow key" else 401
                    assert answer.status_code in {refusal, 404}, (case.operation.label, caller)
                    assert self.commits == before

    @property
    def commits(self) -> int:
        storage = self.stock.world.application.storage
        return storage.commits if isinstance(storage, memory.MemoryStorage) else 0


@pytest.fixture(scope="module", params=["memory", "sqlite"])
async def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Target]:
    url = None
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('schemathesis') / 'shop.db'}"
        await migrate(url)
    async with open_stock(url) as stock:
        yield Target(stock)


async def test_every_operation_succeeds_for_who_may_and_for_nobody_else(target: Target) -> None:
    for operation in target.operations:
        await target.try_all(await target.aim(drawn(operation, GenerationMode.POSITIVE, AIMED)))
    for operation in target.operations:
        answered, gated = target.answered[operation.label], target.scope(operation) is not None
        successes = {int(status) for status in operation.definition.raw["responses"] if status.startswith("2")}
        assert any(answered["the right one", status] for status in successes), (operation.label, answered)
        for caller, refusal in (("nobody", 401), ("a stranger", 401), ("a narrow key", 403)) if gated else ():
            assert {status for who, status in answered if who == caller} == {refusal}, operation.label


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
async def test_whatever_is_asked_the_document_knows_the_answer(target: Target, mode: GenerationMode) -> None:
    reached = set()
    for operation in target.operations:
        cases = drawn(operation, mode, WILD)
        for number, case in enumerate(cases):
            if "provider" in case.path_parameters and number % 3:  # nonsense that is signed, too
                case.path_parameters["provider"] = SENDERS[number % 2]
        await target.try_all(cases)
        reached |= {case.operation.label for case in cases}
    there = {operation.label for operation in target.operations}
    assert reached == there - (NOTHING_TO_GET_WRONG if mode is GenerationMode.NEGATIVE else set())


async def test_without_its_database_every_operation_says_503() -> None:
    async with open_stock(None) as stock:
        target, silent = Target(stock), set()
        for operation in target.operations:
            [case, *_] = await target.aim(drawn(operation, GenerationMode.POSITIVE, 1))
            await stock.world.get("/api/v1/users")  # the gate knows the key for a second
            stock.world.storage.go_down(1)
            answer = await target.send(case, "the right one")
            await stock.world.clock.advance(1)
            case.validate_response(answer, checks=DOCUMENTED)
            if answer.status_code != 503:
                silent.add(operation.label)
    assert silent == ANSWERED_WITHOUT_THE_DATABASE
