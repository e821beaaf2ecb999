"""Client addresses: whose request it is, through proxies that are trusted and past those that are not."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from veilbot_core.domain.errors import InvalidInput


class Addresses:
    """Finds client addresses; ``trusted`` are the CIDRs of proxies whose ``X-Forwarded-For`` counts."""

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        try:
            self._trusted = [ip_network(network, strict=False) for network in trusted]
        except ValueError as error:
            raise InvalidInput(
                f"a trusted proxy is a network such as 10.0.0.0/8: {error}", field="trusted_proxies"
            ) from None

    def of(self, scope: Any) -> str:  # noqa: ANN401 - an ASGI scope
        """Return the rightmost address that no trusted proxy stands behind, as a name to count under.

        An IPv6 client owns its whole /64, so that is what is counted.
        """
        client = scope.get("client")
        found = _parse(client[0]) if client else None
        if found is None:
            return "unknown"
        if self._trusts(found):
            forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
            for part in reversed(forwarded.decode("latin-1").split(",")):
                hop = _parse(part.strip())
                if hop is None:  # nonsense: what stands further left cannot be believed
                    break
                found = hop
                if not self._trusts(hop):
                    break
        return str(found if isinstance(found, IPv4Address) else IPv6Network((found, 64), strict=False))

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address; proxies also write ``1.2.3.4:567`` and ``[::1]:567``."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
