"""Requests made from the OpenAPI document, valid and not, with keys and without: no 5xx, no answer that it lacks."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.generation.case import Case
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.runners.api.world import GENEROUS, World, open_world

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
Headers = Mapping[str, str]
AnyCase = Case[Any]


class Target:
    """A shop with one of everything, the operations of its API, and callers of every kind."""

    def __init__(self, world: World, callers: Mapping[str, Headers], known: Mapping[str, str]) -> None:
        self.world = world
        self.callers = callers
        self.known = known
        schema = schemathesis.openapi.from_dict(dict(world.document.content))
        found: list[Any] = list(schema.get_all_operations())
        self.operations = [operation.ok() for operation in found]

    def strategy(self, mode: GenerationMode) -> st.SearchStrategy[AnyCase]:
        return st.one_of([operation.as_strategy(generation_mode=mode) for operation in self.operations])

    def aim(self, case: AnyCase) -> None:
        """Let a request speak of things that are there, which chance would never find."""
        for part in (case.path_parameters, case.body):
            if isinstance(part, dict):
                part.update({name: self.known[name] for name in part.keys() & self.known.keys()})

    async def send(self, case: AnyCase, caller: str) -> httpx.Response:
        """Send a request as schemathesis would."""
        kwargs = case.as_transport_kwargs(base_url="http://shop.test", headers=dict(self.callers[caller]))
        kwargs = {name: value for name, value in kwargs.items() if name in _KNOWN}
        ready = requests.Request(**kwargs).prepare()
        body: Any = ready.body
        headers: Any = list(ready.headers.items())
        return await self.world.http.request(ready.method or "", ready.url or "", content=body, headers=headers)


_KNOWN = {"method", "url", "headers", "files", "data", "params", "auth", "cookies", "hooks", "json"}


@pytest.fixture(scope="module")
async def target() -> AsyncIterator[Target]:
    async with open_world(rate=GENEROUS) as world:
        subscription = await world.bought()
        order = (await world.get("/api/v1/billing/orders"))["items"][0]
        server = (await world.get("/api/v1/vpn/servers"))["items"][0]
        known = {
            "user_id": order["user_id"],
            "tariff_id": order["tariff_id"],
            "order_id": order["id"],
            "server_id": server["id"],
            "subscription_id": subscription["id"],
        }
        callers = {
            "nobody": {},
            "a stranger": {"Authorization": "Bearer vb_wrongwrongwrongwrong"},
            "a narrow key": await world.key("users:read"),
            "the administrator": world.admin,
        }
        yield Target(world, callers, known)


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
    )


@_settings(150)
@given(data=st.data())
async def test_valid_requests(target: Target, data: st.DataObject) -> None:
    case = data.draw(target.strategy(GenerationMode.POSITIVE))
    if data.draw(st.booleans()):
        target.aim(case)
    caller = data.draw(st.sampled_from(list(target.callers)))
    case.validate_response(await target.send(case, caller), checks=CHECKS)


@_settings(150)
@given(data=st.data())
async def test_invalid_requests(target: Target, data: st.DataObject) -> None:
    case = data.draw(target.strategy(GenerationMode.NEGATIVE))
    caller = data.draw(st.sampled_from(list(target.callers)))
    case.validate_response(await target.send(case, caller), checks=CHECKS)
