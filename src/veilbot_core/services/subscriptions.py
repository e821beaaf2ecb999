"""Subscriptions: what a customer has, its link, and what an operator may do by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from veilbot_core.cached import Cached
from veilbot_core.domain.errors import InvalidInput, NotFound, UserBlocked
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import GrantId, KeyId, ServerId, SubscriptionId, TariffId, UserId, derive
from veilbot_core.domain.key import Key, serving
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.secret import digest
from veilbot_core.domain.server import check_country
from veilbot_core.domain.subscription import Grant, GrantSource, Standing, Subscription
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.notifier import Access
from veilbot_core.ports.secrets import Secrets
from veilbot_core.ports.storage import Storage, UnitOfWork
from veilbot_core.steps import about, opened, refold, reserve


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A subscription as its customer sees it; ``link`` and the keys' URLs are secrets."""

    subscription: Subscription
    standing: Standing
    link: str
    keys: tuple[Access, ...]
    """The keys that work now."""
    coming: int
    """Keys that are paid for and not there yet."""
    used: int
    """Bytes."""
    mirrors: tuple[str, ...] = ()
    """The same link at other addresses, if the first does not open; secrets, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriptions:
    """Rights to use: looked at, shared by link, extended and ended by hand."""

    storage: Storage
    cached: Cached
    secrets: Secrets
    clock: Clock
    ids: Ids
    policy: Policy

    async def of_user(self, user_id: UserId) -> Sequence[Holding]:
        """Return what a customer has, by id."""
        countries = await self._countries()

        def look(uow: UnitOfWork) -> Sequence[Holding]:
            return self._holdings(uow, uow.subscriptions.of_user(user_id), countries)

        return await self.storage.read(look)

    async def get(self, subscription_id: SubscriptionId, *, of: UserId | None = None) -> Holding:
        """Return one subscription; with ``of``, only that customer's. Raises NotFound."""
        countries = await self._countries()

        def look(uow: UnitOfWork) -> Holding:
            subscription = uow.subscriptions.get(subscription_id)
            if of is not None and subscription.user_id != of:
                raise NotFound
            return self._holdings(uow, [subscription], countries)[0]

        return await self.storage.read(look)

    async def by_link(self, token: str) -> Holding:
        """Return what a link shows. Raises NotFound, the same for a wrong and for a replaced token."""
        countries = await self._countries()

        def look(uow: UnitOfWork) -> Holding:
            subscription = uow.subscriptions.by_digest(digest(token))
            if subscription is None:
                raise NotFound
            return self._holdings(uow, [subscription], countries)[0]

        return await self.storage.read(look)

    async def page(self, *, limit: int, after: SubscriptionId | None = None) -> Sequence[Subscription]:
        """Return subscriptions, by id, which is not by age."""
        return await self.storage.read(lambda uow: uow.subscriptions.page(limit=limit, after=after))

    async def keys(self, *, limit: int, after: KeyId | None = None, user_id: UserId | None = None) -> Sequence[Key]:
        """Return keys, by id, which is not by age."""
        return await self.storage.read(lambda uow: uow.keys.page(limit=limit, after=after, user_id=user_id))

    async def key(self, key_id: KeyId) -> Key:
        """Return a key as we know it. Raises NotFound."""
        return await self.storage.read(lambda uow: uow.keys.get(key_id))

    async def give(
        self, user_id: UserId, tariff_id: TariffId, *, days: int, country: str | None, request: UUID
    ) -> Subscription:
        """Grant a new subscription by hand; the same ``request`` gives it once.

        Raises:
            InvalidInput: the days or the country are none.
            NoCapacity: no suitable place is free; nothing was written.
        """
        if country is not None:
            check_country(country)
        token = self.ids.secret()

        def work(uow: UnitOfWork) -> Subscription:
            now = self.clock.now()
            wanted = SubscriptionId(derive("subscription", "operator", request))
            known = uow.subscriptions.find(wanted)
            if known is not None:
                return known
            user = uow.users.get(user_id)
            if user.blocked_at is not None:
                raise UserBlocked
            subscription = Subscription(
                id=wanted,
                user_id=user.id,
                tariff_id=tariff_id,
                terms=uow.tariffs.get(tariff_id).terms,
                country=country,
                token=self.secrets.seal(token, wanted),
                token_digest=digest(token),
                ends_at=now,
                vip=user.vip,
                check_at=None,
                created_at=now,
            )
            uow.subscriptions.add(subscription)
            uow.publish(about(self.ids, EventType.SUBSCRIPTION_CREATED, subscription, now))
            return self._grant(uow, subscription, days, request, now)

        return await self.storage.write(work)

    async def extend(self, subscription_id: SubscriptionId, days: int, request: UUID) -> Subscription:
        """Add days by hand; the same ``request`` adds them once. Keys that had gone come back."""

        def work(uow: UnitOfWork) -> Subscription:
            return self._grant(uow, uow.subscriptions.lock(subscription_id), days, request, self.clock.now())

        return await self.storage.write(work)

    async def rotate(self, subscription_id: SubscriptionId, *, of: UserId | None = None) -> Holding:
        """Replace the link by a new one; the old one is dead at once."""
        token, countries = self.ids.secret(), await self._countries()

        def work(uow: UnitOfWork) -> Holding:
            subscription = uow.subscriptions.lock(subscription_id)
            if of is not None and subscription.user_id != of:
                raise NotFound
            rotated = subscription.rotate(self.secrets.seal(token, subscription.id), digest(token))
            uow.subscriptions.save(rotated)
            return self._holdings(uow, [rotated], countries)[0]

        return await self.storage.write(work)

    def _grant(
        self, uow: UnitOfWork, subscription: Subscription, days: int, request: UUID, now: datetime
    ) -> Subscription:
        if not 1 <= days <= 36500:
            raise InvalidInput("days are 1 to 36500", field="days")
        grant = Grant(
            id=GrantId(derive("grant", "operator", request)),
            subscription_id=subscription.id,
            source=GrantSource.OPERATOR,
            source_id=str(request),
            days=days,
            at=now,
        )
        if not uow.subscriptions.add_grant(grant):
            return subscription
        subscription = refold(uow, subscription, now, self.policy.grace)
        uow.publish(about(self.ids, EventType.SUBSCRIPTION_EXTENDED, subscription, now))
        if subscription.wants_keys(now, self.policy.grace):
            reserve(uow, subscription, now)
        return subscription

    async def _countries(self) -> Mapping[ServerId, str]:
        return {server.id: server.country for server in await self.cached.servers()}

    def _holdings(
        self, uow: UnitOfWork, subscriptions: Sequence[Subscription], countries: Mapping[ServerId, str]
    ) -> list[Holding]:
        """Put subscriptions and all of their keys together."""
        if not subscriptions:
            return []
        now = self.clock.now()
        keys = uow.keys.of_subscriptions([s.id for s in subscriptions])
        holdings = []
        for subscription in subscriptions:
            mine = [k for k in keys if k.subscription_id == subscription.id]
            token = self.secrets.open(subscription.token, subscription.id)
            wanted = serving(mine)
            working = [k for k in wanted if k.works]
            holdings.append(
                Holding(
                    subscription=subscription,
                    standing=subscription.standing(now, self.policy.grace),
                    link=f"{self.policy.public_url}/s/{token}",
                    mirrors=tuple(f"{url}/s/{token}" for url in self.policy.mirrors),
                    keys=opened(self.secrets, working, countries),
                    coming=len(wanted) - len(working),
                    used=sum(k.used for k in mine),
                )
            )
        return holdings
