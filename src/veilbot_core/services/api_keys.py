"""API keys: who may use the HTTP API, and for what."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from veilbot_core.domain.apikey import ApiKey
from veilbot_core.domain.errors import InvalidInput, Unauthorized
from veilbot_core.domain.ids import ApiKeyId
from veilbot_core.domain.secret import digest
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.storage import Storage, UnitOfWork
from veilbot_core.steps import made_before

_PREFIX = "vb_"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeys:
    """Keys with scopes and an end; only their digests are kept."""

    storage: Storage
    clock: Clock
    ids: Ids

    async def add(
        self, name: str, scopes: Iterable[str], *, days: int | None = None, request: UUID | None = None
    ) -> tuple[ApiKey, str]:
        """Return a new key and its secret, which is never shown again. Raises InvalidInput, naming the field.

        The same ``request`` makes one key; asked again, because its answer was lost, it gives that key a new secret.
        """
        if days is not None and not 1 <= days <= 3650:
            raise InvalidInput("a key lasts 1 to 3650 days", field="days")
        secret = _PREFIX + self.ids.secret()
        now = self.clock.now()
        key = ApiKey(
            id=ApiKeyId(self.ids.new()),
            name=name,
            digest=digest(secret),
            hint=secret[:8],
            scopes=frozenset(scopes),
            expires_at=now + timedelta(days=days) if days is not None else None,
            created_at=now,
        )

        def work(uow: UnitOfWork) -> ApiKey:
            earlier = made_before(uow, request, key.id)
            if earlier is None:
                uow.api_keys.add(key)
                return key
            renewed = replace(uow.api_keys.get(ApiKeyId(earlier)), digest=key.digest, hint=key.hint)
            uow.api_keys.save(renewed)
            return renewed

        return await self.storage.write(work), secret

    async def authenticate(self, secret: str) -> ApiKey:
        """Return the live key behind a secret. Raises Unauthorized, the same for every reason."""
        if not secret.startswith(_PREFIX) or len(secret) > 200:
            raise Unauthorized
        key = await self.storage.read(lambda uow: uow.api_keys.by_digest(digest(secret)))
        if key is None or not key.live(self.clock.now()):
            raise Unauthorized
        return key

    async def all(self) -> Sequence[ApiKey]:
        """Return every key, oldest first."""
        return await self.storage.read(lambda uow: uow.api_keys.all())

    async def get(self, key_id: ApiKeyId) -> ApiKey:
        """Return a key. Raises NotFound."""
        return await self.storage.read(lambda uow: uow.api_keys.get(key_id))

    async def revoke(self, key_id: ApiKeyId) -> ApiKey:
        """Shut a key at once and for ever."""

        def work(uow: UnitOfWork) -> ApiKey:
            key = uow.api_keys.get(key_id).revoke(self.clock.now())
            uow.api_keys.save(key)
            return key

        return await self.storage.write(work)
