"""Subscription: a user's right to use, the sum of its grants."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from veilbot_core.domain.errors import InvalidInput
from veilbot_core.domain.ids import GrantId, SubscriptionId, TariffId, UserId
from veilbot_core.domain.secret import Sealed
from veilbot_core.domain.tariff import Terms


class GrantSource(StrEnum):
    """What a grant was given for."""

    ORDER = "order"
    TRIAL = "trial"
    REFERRAL = "referral"
    PROMO = "promo"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Some days of use, applied once: unique by (source, source_id)."""

    id: GrantId
    subscription_id: SubscriptionId
    source: GrantSource
    source_id: str
    days: int
    at: datetime
    taken_back: int = 0
    """Days of it that a refund took back."""

    def __post_init__(self) -> None:
        """Refuse a grant of nothing or of more than it is."""
        if not 1 <= self.days <= 36500 or not 0 <= self.taken_back <= self.days:
            raise InvalidInput("a grant is 1 to 36500 days", field="days")

    @property
    def left(self) -> int:
        """Days of it that were not taken back."""
        return self.days - self.taken_back

    def shrink(self, refunded: int, paid: int) -> "Grant":
        """Take back the share of days that was refunded, rounded in the customer's favour; all if nothing was paid.

        What was taken back stays so: the money of a refund that failed is still owed.
        """
        share = self.days * min(refunded, paid) // paid if paid else self.days
        return replace(self, taken_back=max(self.taken_back, share))


def fold(grants: Iterable[Grant]) -> datetime | None:
    """Return the end of use: each grant in order begins where use ends or when it was given, if that is later."""
    end: datetime | None = None
    for grant in sorted(grants, key=lambda g: (g.at, g.id)):
        end = (grant.at if end is None else max(grant.at, end)) + timedelta(days=grant.left)
    return end


class Standing(StrEnum):
    """What a subscription is worth at a moment."""

    ACTIVE = "active"
    GRACE = "grace"
    """Ended, but the keys still work for a while."""
    EXPIRED = "expired"
    FROZEN = "frozen"
    """The payment is disputed."""


class Reminder(StrEnum):
    """What a customer is told about the end, each once per end."""

    THREE_DAYS = "3d"
    ONE_DAY = "1d"
    ONE_HOUR = "1h"
    ENDED = "ended"


_BEFORE = {
    Reminder.THREE_DAYS: timedelta(days=3),
    Reminder.ONE_DAY: timedelta(days=1),
    Reminder.ONE_HOUR: timedelta(hours=1),
    Reminder.ENDED: timedelta(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A customer's right to use, with one secret link for ever."""

    id: SubscriptionId
    user_id: UserId
    tariff_id: TariffId
    terms: Terms
    country: str | None
    """The country that was chosen first; renewals and new keys stay there."""
    token: Sealed
    """The secret part of the link, sealed under the id."""
    token_digest: str
    ends_at: datetime
    """The fold of its grants."""
    vip: bool = False
    """No end and no quota while set."""
    frozen_at: datetime | None = None
    cut_off: bool = False
    """A refund took back all that was left: no grace follows."""
    check_at: datetime | None
    """When time next asks something of it; None when nothing more is to come."""
    created_at: datetime

    def standing(self, now: datetime, grace: timedelta) -> Standing:
        """Return what it is worth at ``now``."""
        if self.frozen_at is not None:
            return Standing.FROZEN
        if self.vip or now < self.ends_at:
            return Standing.ACTIVE
        return Standing.GRACE if now < self.ends_at + grace and not self.cut_off else Standing.EXPIRED

    def wants_keys(self, now: datetime, grace: timedelta) -> bool:
        """Whether its keys belong on the servers at ``now``."""
        return self.standing(now, grace) in {Standing.ACTIVE, Standing.GRACE}

    def until(self, end: datetime, now: datetime, grace: timedelta) -> "Subscription":
        """Return it with another end, to be looked at when that end first asks for something.

        What time ends is there until then: an end that is moved to what is over already comes of a refund.
        """
        cut_off = end <= now if end != self.ends_at else self.cut_off
        moved = replace(self, ends_at=end, cut_off=cut_off)
        return replace(moved, check_at=moved.next_check(now, grace))

    def renew(self, tariff_id: TariffId, terms: Terms) -> "Subscription":
        """Return it under the terms of what was bought last."""
        return replace(self, tariff_id=tariff_id, terms=terms)

    def rotate(self, token: Sealed, token_digest: str) -> "Subscription":
        """Return it with a new link; the old one is dead."""
        return replace(self, token=token, token_digest=token_digest)

    def freeze(self, at: datetime) -> "Subscription":
        """Suspend it while its payment is disputed."""
        return self if self.frozen_at else replace(self, frozen_at=at)

    def thaw(self) -> "Subscription":
        """End the suspension."""
        return replace(self, frozen_at=None)

    def reminder(self, now: datetime) -> Reminder | None:
        """Return the latest reminder whose time has come."""
        if self.vip or self.frozen_at:
            return None
        due = [stage for stage, before in _BEFORE.items() if now >= self.ends_at - before]
        return due[-1] if due else None

    def next_check(self, now: datetime, grace: timedelta) -> datetime | None:
        """Return when time next asks something of it after ``now``: a reminder, the end, the end of grace."""
        if self.cut_off:
            return None
        moments = [self.ends_at - before for before in _BEFORE.values()] + [self.ends_at + grace]
        return min((moment for moment in moments if moment > now), default=None)
