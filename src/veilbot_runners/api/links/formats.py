"""Forms of a subscription link, and which of them an app understands."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from veilbot_core.services.subscriptions import Holding
from veilbot_runners.api.links.clash import clash
from veilbot_runners.api.links.proxies import readable
from veilbot_runners.api.links.singbox import singbox


class Format(StrEnum):
    """What a link can look like."""

    BASE64 = "base64"
    CLASH = "clash"
    SINGBOX = "singbox"
    OUTLINE = "outline"
    PAGE = "page"


# The first that matches wins. Hiddify and Happ name every core there is and like the plain list best; Outline fetches
# with Go's own client and does not say who it is.
_AGENTS = (
    (Format.BASE64, ("hiddify", "happ/", "v2raytun", "v2rayng", "v2rayn/", "streisand", "shadowrocket")),
    (Format.CLASH, ("clash", "mihomo", "stash")),
    (Format.SINGBOX, ("sing-box", "singbox", "sfa/", "sfi/", "sfm/", "sft/")),
    (Format.OUTLINE, ("outline", "go-http-client")),
)


def guess(headers: Mapping[str, str]) -> Format:
    """Return what suits who asks, by its name and by what it accepts."""
    agent = headers.get("user-agent", "").lower()
    for form, names in _AGENTS:
        if any(name in agent for name in names):
            return form
    return Format.PAGE if "text/html" in headers.get("accept", "").lower() else Format.BASE64


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """How a configuration is written."""

    media_type: str
    write: Callable[[Holding], str]


def encoded(text: str) -> str:
    """Return text as base64."""
    return base64.b64encode(text.encode()).decode()


def _list(holding: Holding) -> str:
    return encoded("\n".join(access.url for access in holding.keys))


RENDERINGS: Mapping[Format, Rendering] = MappingProxyType(
    {
        Format.BASE64: Rendering(media_type="text/plain", write=_list),
        Format.CLASH: Rendering(media_type="application/yaml", write=lambda holding: clash(readable(holding.keys))),
        Format.SINGBOX: Rendering(media_type="application/json", write=lambda holding: singbox(readable(holding.keys))),
    }
)
"""The forms that are the same for everyone; the page and Outline's speak a language."""
