"""Health: whether this process lives, and whether it can work."""

import asyncio
from typing import Literal

from litestar import get
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from msgspec import Struct

from veilbot_core.application import Application
from veilbot_core.domain.errors import PortError, Unavailable
from veilbot_runners.api.openapi import problems

_PATIENCE = 5.0


class Health(Struct, frozen=True):
    """A sign of life."""

    status: Literal["ok", "ready"]


@get("/healthz", tags=["health"], summary="Alive", responses=problems())
async def alive() -> Health:
    """Answer without asking anybody."""
    return Health("ok")


@get("/readyz", tags=["health"], summary="Ready", responses=problems())
async def ready(application: NamedDependency[SkipValidation[Application]]) -> Health:
    """Answer when the database does, with the schema that this version needs; otherwise 503."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await application.storage.check()
    except (PortError, TimeoutError) as error:
        raise Unavailable(f"the database: {error or 'no answer'}") from None
    return Health("ready")
