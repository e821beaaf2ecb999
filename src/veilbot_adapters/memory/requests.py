"""Keys of the HTTP API and answers to its requests, in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from veilbot_adapters.memory.tables import Index, Journal, Table, Unique
from veilbot_core.domain.apikey import ApiKey
from veilbot_core.domain.ids import ApiKeyId
from veilbot_core.ports import repositories as port


class MemoryApiKeys(port.ApiKeys):
    """Keys by id and by digest."""

    def __init__(self, journal: Journal) -> None:
        self._by_age = Index[ApiKey](lambda _: 0, lambda key: (key.created_at,))
        self._by_digest = Unique[ApiKey](lambda key: key.digest)
        self._table = Table(journal, indexes=[self._by_age], uniques=[self._by_digest])

    def get(self, key_id: ApiKeyId) -> ApiKey:
        """Return the key. Raises NotFound."""
        return self._table.get(key_id.int)

    def by_digest(self, digest: str) -> ApiKey | None:
        """Return the key behind a secret."""
        return self._table.named(self._by_digest, digest)

    def all(self) -> Sequence[ApiKey]:
        """Walk up by age."""
        return self._table.take(self._by_age.up())

    def add(self, key: ApiKey) -> None:
        """Insert."""
        self._table.insert(key.id.int, key)

    def save(self, key: ApiKey) -> None:
        """Replace."""
        self._table.update(key.id.int, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    fingerprint: str
    opened_at: datetime
    until: datetime
    status: int | None = None
    body: bytes | None = None
    made: UUID | None = None


class MemoryReplies(port.Replies):
    """Requests by key and by the time of opening."""

    def __init__(self, journal: Journal) -> None:
        self._by_age = Index[_Request](lambda _: 0, lambda request: (request.opened_at,))
        self._table = Table(journal, indexes=[self._by_age])

    def begin(self, key: UUID, fingerprint: str, now: datetime, until: datetime) -> Mapping[str, object] | None:
        """Insert, take over what ran out unanswered, or return what is there."""
        fresh = _Request(fingerprint=fingerprint, opened_at=now, until=until)
        known = self._table.rows.get(key.int)
        if known is None:
            self._table.insert(key.int, fresh)
            return None
        if known.status is None and known.until <= now and (known.made is None or known.fingerprint == fingerprint):
            self._table.update(key.int, replace(fresh, made=known.made))
            return None
        return {"fingerprint": known.fingerprint, "status": known.status, "body": known.body}

    def answer(self, key: UUID, status: int, body: bytes) -> None:
        """Complete a request that is there."""
        known = self._table.rows.get(key.int)
        if known is not None:
            self._table.update(key.int, replace(known, status=status, body=body))

    def made(self, key: UUID, thing: UUID) -> UUID | None:
        """Note it down, unless something is noted."""
        known = self._table.rows.get(key.int)
        if known is not None and known.made is None:
            self._table.update(key.int, replace(known, made=thing))
        return None if known is None else known.made

    def release(self, key: UUID) -> None:
        """Let its time run out, unless it is answered."""
        known = self._table.rows.get(key.int)
        if known is not None and known.status is None:
            self._table.update(key.int, replace(known, until=known.opened_at))

    def purge(self, before: datetime, limit: int) -> int:
        """Delete the oldest."""
        old = [entry for entry, _ in zip(self._by_age.up(), range(limit), strict=False) if entry[0] < before]
        for entry in old:
            self._table.delete(entry[-1])
        return len(old)
