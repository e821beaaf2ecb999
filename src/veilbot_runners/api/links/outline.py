"""Outline's dynamic keys: what the app fetches each time that it connects.

An answer is the old JSON, which every version reads, or YAML with an error, which the app shows. It is fetched by
https always, and anything but 2xx is shown as a fault of the network (``client/go/outline/fetch.go`` and
``client/web/app/outline_server_repository/config.ts`` of OutlineFoundation/outline-apps;
https://developers.google.com/outline/docs/reference/config).
"""

import json
from enum import StrEnum
from urllib.parse import quote

from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.user import Language
from veilbot_core.ports.notifier import Access
from veilbot_core.services.subscriptions import Holding
from veilbot_runners.api.links.clash import dump
from veilbot_runners.api.links.proxies import Proxy, Scheme, Unreadable, parse
from veilbot_runners.api.links.texts import WORDS

_METHODS = {"chacha20-ietf-poly1305", "aes-128-gcm", "aes-192-gcm", "aes-256-gcm"}


class Trouble(StrEnum):
    """Why there is no key to give; each has its words."""

    ENDED = "ended"
    FROZEN = "frozen"
    SPENT = "spent"
    COMING = "coming"
    NONE = "none"


def fits(access: Access) -> bool:
    """Say whether the Outline app can use a key."""
    return _proxy(access) is not None


def dynamic(holding: Holding) -> str | Trouble:
    """Return the configuration of the first key that Outline can use, or why there is none."""
    if holding.standing is Standing.EXPIRED:
        return Trouble.ENDED
    if holding.standing is Standing.FROZEN:
        return Trouble.FROZEN
    keys = [(access, proxy) for access in holding.keys if (proxy := _proxy(access)) is not None]
    if not keys:
        return Trouble.COMING if holding.coming else Trouble.NONE
    good = [proxy for access, proxy in keys if not access.spent]
    return _config(good[0]) if good else Trouble.SPENT


def excuse(trouble: Trouble, tongue: Language, support_url: str | None) -> str:
    """Return what the Outline app shows in place of a connection."""
    words = WORDS[tongue]
    details = words[f"{trouble}_why"]
    if support_url is not None:
        details += f"\n{words['support']}: {support_url}"
    return dump({"error": {"message": words[f"{trouble}_title"], "details": details}})


def ssconf(link: str, name: str) -> str | None:
    """Return a subscription's link as Outline takes it; None where it has no https, which the app insists on."""
    place = link.removeprefix("https://")
    return None if place == link else f"ssconf://{place}?format=outline#{quote(name, safe='')}"


def _proxy(access: Access) -> Proxy | None:
    try:
        proxy = parse(access.url)
    except Unreadable:
        return None
    return proxy if proxy.scheme is Scheme.SHADOWSOCKS and proxy.method in _METHODS else None


def _config(proxy: Proxy) -> str:
    prefix = {"prefix": proxy.prefix} if proxy.prefix else {}
    where = {"server": proxy.host, "server_port": proxy.port}
    return json.dumps({**where, "password": proxy.secret, "method": proxy.method, **prefix}, ensure_ascii=False) + "\n"
