"""The demo's home page: where everything is, and the credentials that were made for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from string import Template

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler

from veilbot_runners.sandbox import pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Something to look at."""

    name: str
    """In one word, for programs."""
    title: str
    url: str
    """An absolute path of this server, or an http address."""
    about: str = ""


def home_page(places: Sequence[Place], credentials: Mapping[str, str]) -> HTTPRouteHandler:
    """Return the handler of ``GET /``.

    ``credentials`` are one-time values by their name ("API key"); the page shows them, so it belongs on 127.0.0.1 only.
    Its style comes with the chat page, from `telegram_router`.
    """
    content = render_home(places, credentials)

    @get("/", media_type=MediaType.HTML, include_in_schema=False)
    async def home() -> Response[bytes]:
        return Response(content, headers={**pages.HEADERS, "cache-control": "no-store"})

    return home


def render_home(places: Sequence[Place], credentials: Mapping[str, str]) -> bytes:
    """Return the page."""
    template = Template(pages.read("home.html").decode())
    return template.substitute(places=_places(places), credentials=_credentials(credentials)).encode()


def _places(places: Sequence[Place]) -> str:
    if not places:
        return ""
    return f'<section><h2>Where to look</h2><ul class="places">{"".join(map(_place, places))}</ul></section>'


def _place(place: Place) -> str:
    about = f"<span>{escape(place.about)}</span>" if place.about else ""
    url = escape(place.url)
    return f'<li><a href="{url}"><b>{escape(place.title)}</b>{about}<code>{url}</code></a></li>'


def _credentials(credentials: Mapping[str, str]) -> str:
    if not credentials:
        return ""
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
        f'<button class="button quiet" data-copy="{escape(value)}" aria-label="Copy {escape(name)}">Copy</button></div>'
        for name, value in credentials.items()
    )
    note = '<p class="note">Made for this demo only; they are worth nothing anywhere else.</p>'
    return f'<section><h2>Credentials</h2>{note}<dl class="secrets">{rows}</dl></section>'
