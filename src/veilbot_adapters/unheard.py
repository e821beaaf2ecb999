"""Calls whose answers may be lost: the failpoint C8 stands between an adapter that has its answer and who waits for it.

Only what changes something is passed through it; a lost answer to a question is asked again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from veilbot_core.domain.ids import KeyId
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import PaymentEvent
from veilbot_core.ports.failpoints import Failpoints, Point
from veilbot_core.ports.payments import OpenCheckout, PaymentGateway, Told
from veilbot_core.ports.vpn import Endpoint, KeySpec, RemoteKey, ServerInfo, Unlisted, Usage, VpnProtocol


class UnheardVpn(VpnProtocol):
    """Servers that do what they are asked, while whoever asked dies, hangs or hears nothing."""

    def __init__(self, servers: VpnProtocol, failpoints: Failpoints) -> None:
        self._servers = servers
        self._failpoints = failpoints

    def settings(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """Check what an operator gave."""
        return self._servers.settings(given)

    async def issue(self, endpoint: Endpoint, key: KeySpec) -> str:
        """Make the key be there."""
        url = await self._servers.issue(endpoint, key)
        await self._failpoints.reach(Point.CALLED)
        return url

    async def restore(self, endpoint: Endpoint, keys: Sequence[KeySpec]) -> Mapping[KeyId, str]:
        """Make many keys be there again."""
        urls = await self._servers.restore(endpoint, keys)
        await self._failpoints.reach(Point.CALLED)
        return urls

    async def revoke(self, endpoint: Endpoint, key_id: KeyId) -> None:
        """Make the key be gone."""
        await self._servers.revoke(endpoint, key_id)
        await self._failpoints.reach(Point.CALLED)

    async def list(self, endpoint: Endpoint) -> Mapping[str, RemoteKey] | Unlisted:
        """Return all keys on the server."""
        return await self._servers.list(endpoint)

    async def usage(self, endpoint: Endpoint) -> Usage:
        """Return traffic."""
        return await self._servers.usage(endpoint)

    async def probe(self, endpoint: Endpoint) -> ServerInfo:
        """Ask for a sign of life."""
        return await self._servers.probe(endpoint)

    async def close(self) -> None:
        """Close what is behind this, if it can be closed."""
        await _close(self._servers)


class UnheardGateway(PaymentGateway):
    """A provider that sends money back, while whoever asked for it dies, hangs or hears nothing."""

    def __init__(self, gateway: PaymentGateway, failpoints: Failpoints) -> None:
        self._gateway = gateway
        self._failpoints = failpoints

    async def open_checkout(self, order: Order) -> OpenCheckout:
        """Make the page that takes the money; no money has come yet, so no point is passed."""
        return await self._gateway.open_checkout(order)

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> PaymentEvent | None:
        """Verify and read."""
        return self._gateway.parse_webhook(body, headers)

    async def fetch(self, order: Order) -> PaymentEvent | None:
        """Ask what became of the order's checkout."""
        return await self._gateway.fetch(order)

    async def told(self, since: datetime, until: datetime, *, after: str | None = None) -> Told:
        """List what the provider told."""
        return await self._gateway.told(since, until, after=after)

    async def refund(self, order: Order, charge_id: str, money: Money, *, attempt: str) -> PaymentEvent:
        """Send money back."""
        event = await self._gateway.refund(order, charge_id, money, attempt=attempt)
        await self._failpoints.reach(Point.CALLED)
        return event

    async def close(self) -> None:
        """Close what is behind this, if it can be closed."""
        await _close(self._gateway)


async def _close(adapter: object) -> None:
    close = getattr(adapter, "close", None)
    if close is not None:
        await close()
