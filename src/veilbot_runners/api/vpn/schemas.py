"""What the module vpn takes and shows; no view holds an access URL or a server's secrets."""

from typing import Annotated

from msgspec import Meta, Struct

from veilbot_core.domain.key import Key
from veilbot_core.domain.reconciling import Report
from veilbot_core.domain.server import AccessLevel, Server, ServerStatus
from veilbot_core.domain.subscription import Standing, Subscription
from veilbot_core.domain.tariff import Protocol
from veilbot_core.services.fleet import Draft, Health
from veilbot_core.services.subscriptions import Holding
from veilbot_runners.api.fields import Body, Country, Days, Group, Id, Name, TermsView, Time

Capacity = Annotated[int, Meta(ge=0, le=1_000_000, description="How many keys fit.", examples=[100])]


class NewServer(Body, frozen=True):
    """A server as an operator describes it."""

    name: Name
    protocol: Protocol
    country: Country
    endpoint: Annotated[
        dict[str, Annotated[str, Meta(max_length=4096)]],
        Meta(
            max_length=50,
            description="How to reach and trust it, as its protocol needs it; sealed, and never shown again.",
            examples=[{"api_url": "https://203.0.113.7:8443/s3cret", "cert_sha256": "9F86D081..."}],
        ),
    ]
    capacity: Capacity = 100
    weight: Annotated[int, Meta(ge=1, le=10_000, description="A larger one is chosen more often.")] = 100
    access: AccessLevel = AccessLevel.ALL
    group: Group = ""
    probe: Annotated[bool, Meta(description="Ask it for a sign of life before it is saved.")] = True

    def draft(self) -> Draft:
        """Return it as the fleet takes it."""
        return Draft(
            name=self.name,
            protocol=self.protocol,
            country=self.country,
            endpoint=self.endpoint,
            capacity=self.capacity,
            weight=self.weight,
            access=self.access,
            group=self.group,
        )


class NewSize(Body, frozen=True):
    """Another number of keys."""

    capacity: Capacity


class ServerView(Struct, frozen=True):
    """A VPN server."""

    id: Id
    name: str
    protocol: Protocol
    country: str
    status: ServerStatus
    capacity: int
    reserved: Annotated[int, Meta(description="Places taken.")]
    weight: int
    access: AccessLevel
    group: str
    down_since: Annotated[Time | None, Meta(description="Since when probes fail; null while it answers.")]
    created_at: Time

    @classmethod
    def of(cls, server: Server) -> "ServerView":
        """Render."""
        return cls(
            id=server.id,
            name=server.name,
            protocol=server.protocol,
            country=server.country,
            status=server.status,
            capacity=server.capacity,
            reserved=server.reserved,
            weight=server.weight,
            access=server.access,
            group=server.group,
            down_since=server.down_since,
            created_at=server.created_at,
        )


class HealthView(Struct, frozen=True):
    """What a probe found."""

    server_id: Id
    healthy: bool
    milliseconds: Annotated[int | None, Meta(description="How long it took to answer.")]
    version: str
    error: str

    @classmethod
    def of(cls, health: Health) -> "HealthView":
        """Render."""
        return cls(health.server_id, health.healthy, health.milliseconds, health.version, health.error)


class Reconcile(Body, frozen=True):
    """How to compare."""

    dry_run: Annotated[bool, Meta(description="Only report.")] = False


class ReportView(Struct, frozen=True):
    """What a server has beside what it should have."""

    server_id: Id
    agreed: bool
    wanted: int
    missing: Annotated[list[Id], Meta(description="Wanted and not there.")]
    surplus: Annotated[list[Id], Meta(description="Ours, there, and not wanted.")]
    differing: Annotated[list[Id], Meta(description="There with another limit.")]
    foreign: Annotated[list[str], Meta(description="Not ours; never touched.")]
    withheld: Annotated[int, Meta(description="Removals left for the next pass.")]

    @classmethod
    def of(cls, report: Report) -> "ReportView":
        """Render."""
        return cls(
            server_id=report.server_id,
            agreed=report.agreed,
            wanted=report.wanted,
            missing=list(report.missing),
            surplus=list(report.surplus),
            differing=list(report.differing),
            foreign=list(report.foreign),
            withheld=report.withheld,
        )


class SubscriptionView(Struct, frozen=True):
    """A customer's right to use."""

    id: Id
    user_id: Id
    tariff_id: Id
    terms: TermsView
    country: str | None
    standing: Standing
    ends_at: Time
    vip: bool
    frozen_at: Time | None
    created_at: Time

    @classmethod
    def of(cls, subscription: Subscription, standing: Standing) -> "SubscriptionView":
        """Render."""
        return cls(
            id=subscription.id,
            user_id=subscription.user_id,
            tariff_id=subscription.tariff_id,
            terms=TermsView.of(subscription.terms),
            country=subscription.country,
            standing=standing,
            ends_at=subscription.ends_at,
            vip=subscription.vip,
            frozen_at=subscription.frozen_at,
            created_at=subscription.created_at,
        )


class HoldingView(Struct, frozen=True):
    """A subscription with what its customer has of it."""

    subscription: SubscriptionView
    link: Annotated[str | None, Meta(description="The customer's secret link; null without the scope vpn:write.")]
    working: Annotated[int, Meta(description="Keys that work now.")]
    coming: Annotated[int, Meta(description="Keys that are not there yet.")]
    used: Annotated[int, Meta(description="Bytes.")]

    @classmethod
    def of(cls, holding: Holding, *, link: bool) -> "HoldingView":
        """Render, with the ``link`` only for those who may have it."""
        return cls(
            subscription=SubscriptionView.of(holding.subscription, holding.standing),
            link=holding.link if link else None,
            working=len(holding.keys),
            coming=holding.coming,
            used=holding.used,
        )


class Extension(Body, frozen=True):
    """Days to be added."""

    days: Days


class Gift(Body, frozen=True):
    """A subscription to be granted by hand."""

    user_id: Id
    tariff_id: Id
    days: Days
    country: Country | None = None


class KeyView(Struct, frozen=True):
    """A credential on a server, without what opens it."""

    id: Id
    subscription_id: Id
    user_id: Id
    server_id: Id
    protocol: Protocol
    name: str
    wanted: Annotated[bool, Meta(description="Whether it should be on the server.")]
    present: Annotated[bool, Meta(description="Whether it is on the server.")]
    settled: Annotated[bool, Meta(description="Whether the server has what we want.")]
    limit: Annotated[int | None, Meta(description="Bytes; null for no limit.")]
    used: Annotated[int, Meta(description="Bytes.")]
    note: Annotated[str, Meta(description="Why the server refused.")]
    created_at: Time
    changed_at: Time

    @classmethod
    def of(cls, key: Key) -> "KeyView":
        """Render."""
        return cls(
            id=key.id,
            subscription_id=key.subscription_id,
            user_id=key.user_id,
            server_id=key.server_id,
            protocol=key.protocol,
            name=key.name,
            wanted=key.desired.present,
            present=key.observed.present,
            settled=key.settled,
            limit=key.desired.limit,
            used=key.used,
            note=key.note,
            created_at=key.created_at,
            changed_at=key.changed_at,
        )


class UseView(Struct, frozen=True):
    """Who uses which server."""

    user_id: Id
    subscription_id: Id
    key_id: Id
    server_id: Id
    server: Annotated[str, Meta(description="The server's name.", examples=["Amsterdam 1"])]
    country: Annotated[str, Meta(examples=["NL"])]
    protocol: Protocol
    present: bool
    used: Annotated[int, Meta(description="Bytes.")]

    @classmethod
    def of(cls, key: Key, server: Server) -> "UseView":
        """Render."""
        return cls(
            user_id=key.user_id,
            subscription_id=key.subscription_id,
            key_id=key.id,
            server_id=server.id,
            server=server.name,
            country=server.country,
            protocol=key.protocol,
            present=key.observed.present,
            used=key.used,
        )
