"""The customer's pages: plain HTML that loads nothing, for a phone first."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from importlib.resources import files

from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.user import Language
from veilbot_core.services.subscriptions import Holding
from veilbot_runners.api.links.outline import fits, ssconf
from veilbot_runners.api.links.texts import WORDS, date, size

_HERE = files("veilbot_runners.api.links")
_STYLE = (_HERE / "page.css").read_text(encoding="utf-8")
_SCRIPT = (_HERE / "page.js").read_text(encoding="utf-8")
_DEVICES: Mapping[str, Mapping[str, str]] = {
    "Outline": {
        "iPhone, iPad": "App Store",
        "Android": "Google Play",
        "Windows": "getoutline.org",
        "macOS": "App Store",
    },
    "Hiddify": {
        "iPhone, iPad": "App Store",
        "Android": "Google Play",
        "Windows": "hiddify.com",
        "macOS": "App Store",
    },
}


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


CSP = (
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content security policy of the pages: this style, this script, nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPage:
    """Draws pages; ``qr`` turns a text into an SVG picture."""

    qr: Callable[[str], str] | None
    support_url: str | None
    grace: timedelta

    def holding(self, holding: Holding, tongue: Language) -> str:
        """Draw what a customer has."""
        words = WORDS[tongue]
        name = escape(holding.subscription.terms.name)
        keys = "".join(
            self._block(f"{_flag(access.country)} {escape(access.name)}", access.url, words) for access in holding.keys
        )
        if holding.coming:
            keys += f'<p class="note">{words["coming"]}</p>'
        elif not keys and holding.standing is not Standing.FROZEN:
            keys = f'<p class="note">{words["none"]}</p>'
        if holding.keys:
            keys += self._links(holding, words) + _steps(holding, words)
        body = (
            f'<h1>{words["title"]}</h1><section class="card"><h2>{name}</h2>{self._facts(holding, tongue)}</section>'
            f"{keys}<footer><p>{words['secret']}</p>{self._support(words)}</footer>"
        )
        return _document(f"{words['title']} · {name}", body, tongue)

    def notice(self, kind: str, tongue: Language) -> str:
        """Draw a page that says one thing: ``gone``, ``ended``, ``paid`` or ``canceled``."""
        words = WORDS[tongue]
        title = words[f"{kind}_title"]
        body = f'<section class="card notice"><h1>{title}</h1><p>{words[kind]}</p>{self._support(words)}</section>'
        return _document(title, body, tongue)

    def _facts(self, holding: Holding, tongue: Language) -> str:
        words, subscription = WORDS[tongue], holding.subscription
        end = f"<strong>{date(subscription.ends_at, tongue)}</strong>"
        match holding.standing:
            case Standing.FROZEN:
                lines = f'<p class="warn">{words["frozen"]}</p>'
            case Standing.GRACE:
                last = date(subscription.ends_at + self.grace, tongue)
                lines = f'<p class="warn">{words["grace"]} <strong>{last}</strong></p>'
            case _ if subscription.vip:
                lines = f"<p>{words['forever']}</p>"
            case _:
                lines = f"<p>{words['until']} {end}</p>"
        limit = None if subscription.vip else subscription.terms.traffic_limit
        used = size(holding.used, tongue)
        if limit is None:
            lines += f"<p>{words['traffic']}: {used}, {words['unlimited']}</p>"
        elif not subscription.terms.limit_kept:
            lines += f"<p>{words['traffic']}: {used}</p>"
        else:
            whole = size(limit, tongue)
            said = f"{used} {words['of']} {whole}" if holding.used else f"{whole}, {words['unused']}"
            lines += f"<p>{words['traffic']}: {said}</p>"
            lines += f'<progress max="{limit}" value="{min(limit, holding.used)}"></progress>'
        if subscription.terms.device_limit:
            lines += f"<p>{words['devices']}: {subscription.terms.device_limit}</p>"
        return lines

    def _links(self, holding: Holding, words: Mapping[str, str]) -> str:
        """Show what stays the same when keys change: the link at every address, and Outline's way to it."""
        more = "".join(f"<code>{escape(link)}</code>" for link in holding.mirrors)
        mirrors = f"<details><summary>{words['mirrors']}</summary>{more}</details>" if more else ""
        lasting = ssconf(holding.link, holding.subscription.terms.name) if any(map(fits, holding.keys)) else None
        outline = self._block(words["ssconf"], lasting, words) if lasting else ""
        whole = self._block(words["one"], holding.link, words, why=words["one_why"], opens=False, more=mirrors)
        return outline + whole

    def _block(
        self, title: str, url: str, words: Mapping[str, str], *, why: str = "", opens: bool = True, more: str = ""
    ) -> str:
        shown = escape(url)
        picture = ""
        if self.qr is not None:
            picture = f'<details><summary>{words["scan"]}</summary><div class="qr">{self.qr(url)}</div></details>'
        reason = f'<p class="note">{why}</p>' if why else ""
        opener = f'<a class="button" href="{shown}">{words["open"]}</a>' if opens else ""
        return (
            f'<section class="card key"><h2>{title}</h2>{reason}<code>{shown}</code>'
            f'<button type="button" data-done="{words["copied"]}">{words["copy"]}</button>'
            f"{opener}{picture}{more}</section>"
        )

    def _support(self, words: Mapping[str, str]) -> str:
        if self.support_url is None:
            return ""
        return f'<p><a href="{escape(self.support_url)}" rel="noreferrer">{words["support"]}</a></p>'


def _steps(holding: Holding, words: Mapping[str, str]) -> str:
    """Say how to connect, device by device, with the apps that open these kinds of key."""
    apps = dict.fromkeys("Outline" if fits(access) else "Hiddify" for access in holding.keys)
    cards = ""
    for app in apps:
        title = words["how"] if len(apps) == 1 else f"{words['how']}: {app}"
        blocks = "".join(
            f"<details><summary>{device}</summary><ol><li>{words['install'].format(app=app, where=where)}</li>"
            f"<li>{words['paste'].format(app=app)}</li><li>{words['connect']}</li></ol></details>"
            for device, where in _DEVICES[app].items()
        )
        cards += f'<section class="card"><h2>{title}</h2>{blocks}</section>'
    return cards


def _flag(country: str) -> str:
    """Return a country's flag: two regional indicator letters (Unicode, emoji flag sequences)."""
    return "".join(chr(0x1F1E6 + ord(letter) - ord("A")) for letter in country if "A" <= letter <= "Z")


def _document(title: str, body: str, tongue: Language) -> str:
    return (
        f'<!doctype html><html lang="{tongue}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f'<meta name="color-scheme" content="light dark"><title>{title}</title><style>{_STYLE}</style></head>'
        f"<body><main>{body}</main><script>{_SCRIPT}</script></body></html>"
    )
