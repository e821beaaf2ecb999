"""Users: who the customers are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from veilbot_core.cached import Cached, account, customer
from veilbot_core.domain.errors import AlreadyExists, InvalidInput, NotFound
from veilbot_core.domain.events import Event, EventType
from veilbot_core.domain.ids import EventId, UserId
from veilbot_core.domain.user import Language, User
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.storage import Storage, UnitOfWork
from veilbot_core.steps import made_before


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """Customers come, speak a language, and may be shut out."""

    storage: Storage
    cached: Cached
    clock: Clock
    ids: Ids

    async def arrive(self, telegram_id: int, name: str, tag: str | None) -> User:
        """Return the customer behind a Telegram account, known or new. Raises InvalidInput for what is none.

        ``tag`` is the IETF language tag of their app; it decides the language of a new customer only.
        """
        _check_account(telegram_id)
        try:
            known = await self.cached.user_of(telegram_id)
        except NotFound:
            return await self._welcome(telegram_id, name, tag)
        if known.unreachable_at is not None:
            return await self._change(known.id, lambda user: replace(user, unreachable_at=None))
        return known

    async def add(
        self,
        name: str,
        telegram_id: int | None = None,
        language: Language = Language.EN,
        *,
        request: UUID | None = None,
    ) -> User:
        """Make a customer by hand, the same ``request`` once. Raises AlreadyExists for a known Telegram account."""
        if telegram_id is not None:
            _check_account(telegram_id)
        user = self._new(telegram_id, name, language)
        if not user.name:
            raise InvalidInput("a customer needs a name", field="name")

        def work(uow: UnitOfWork) -> User:
            earlier = made_before(uow, request, user.id)
            if earlier is not None:
                return uow.users.get(UserId(earlier))
            self._insert(uow, user)
            return user

        return await self.storage.write(work)

    async def get(self, user_id: UserId) -> User:
        """Return a customer. Raises NotFound."""
        return await self.cached.user(user_id)

    async def page(self, *, limit: int, after: UserId | None = None) -> Sequence[User]:
        """Return customers, newest first."""
        return await self.storage.read(lambda uow: uow.users.page(limit=limit, after=after))

    async def speak(self, user_id: UserId, language: Language) -> User:
        """Change the language of a customer's texts."""
        return await self._change(user_id, lambda user: replace(user, language=language))

    async def block(self, user_id: UserId) -> User:
        """Shut a customer out of buying; what they have paid for stays."""
        return await self._change(user_id, lambda user: user.block(self.clock.now()), EventType.USER_BLOCKED)

    async def unblock(self, user_id: UserId) -> User:
        """Let a customer buy again."""
        return await self._change(user_id, User.unblock, EventType.USER_UNBLOCKED)

    async def _welcome(self, telegram_id: int, name: str, tag: str | None) -> User:
        user = self._new(telegram_id, name, Language.of(tag))
        try:
            await self.cached.write(lambda uow: self._insert(uow, user), account(telegram_id))
        except AlreadyExists:  # two first messages at once
            known = await self.storage.read(lambda uow: uow.users.by_telegram_id(telegram_id))
            if known is None:
                raise
            return known
        return user

    def _new(self, telegram_id: int | None, name: str, language: Language) -> User:
        shown = "".join(c for c in name if c.isprintable())[:64].strip()
        now = self.clock.now()
        return User(id=UserId(self.ids.new()), telegram_id=telegram_id, name=shown, language=language, created_at=now)

    def _insert(self, uow: UnitOfWork, user: User) -> None:
        uow.users.add(user)
        uow.publish(self._fact(EventType.USER_CREATED, user))

    async def _change(self, user_id: UserId, step: Callable[[User], User], fact: EventType | None = None) -> User:
        def work(uow: UnitOfWork) -> User:
            before = uow.users.lock(user_id)
            after = step(before)
            if after != before:
                uow.users.save(after)
                if fact is not None:
                    uow.publish(self._fact(fact, after))
            return after

        return await self.cached.write(work, customer(user_id))

    def _fact(self, kind: EventType, user: User) -> Event:
        return Event(id=EventId(self.ids.new()), type=kind, subject=user.id, user_id=user.id, at=self.clock.now())


def _check_account(telegram_id: int) -> None:
    """Refuse what is no Telegram account (core.telegram.org/bots/api#user: "at most 52 significant bits")."""
    if not 0 < telegram_id < 1 << 52:
        raise InvalidInput("a Telegram account is a positive number of at most 52 bits", field="telegram_id")
