"""Backstage: what stands behind the demo's shop, to look at and to break: VPN servers and payments."""

from html import escape
from string import Template
from typing import Any
from urllib.parse import quote

from litestar import MediaType, Request, Response, Router, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from veilbot_runners.sandbox import pages
from veilbot_runners.sandbox.outline import OutlineSandbox
from veilbot_runners.sandbox.outline_server import Outage as OutlineOutage
from veilbot_runners.sandbox.stripe import StripeSandbox
from veilbot_runners.sandbox.stripe_pages import price
from veilbot_runners.sandbox.stripe_things import Session
from veilbot_runners.sandbox.v2ray import V2RaySandbox
from veilbot_runners.sandbox.v2ray_server import Outage as V2RayOutage
from veilbot_runners.sandbox.v2ray_server import V2RayServer

PATH = "/sandbox/backstage"
_STATES = {"none": "works", "down": "is switched off", "hang": "takes calls and never answers"}
_SHOWN = 50


def router(outline: OutlineSandbox, v2ray: V2RaySandbox, stripe: StripeSandbox) -> Router:
    """Return the page and its buttons."""
    page = Template(pages.read("backstage.html").decode())

    @get("/", media_type=MediaType.HTML, sync_to_thread=False)
    def show() -> Response[bytes]:
        servers = [
            *(_server(it.name, "Outline", it.outage, list(it.keys)) for it in outline.servers.values()),
            *(_server(it.name, "Xray", it.outage, _users(it)) for it in v2ray.servers.values()),
        ]
        newest = list(stripe.books.sessions.values())[: -_SHOWN - 1 : -1]
        content = page.substitute(servers="".join(servers), payments="".join(map(_payment, newest)) or _NOTHING)
        return Response(content.encode(), headers={**pages.HEADERS, "cache-control": "no-store"})

    @post("/{name:str}/{outage:str}", status_code=303)
    async def play(request: Request[Any, Any, Any], name: FromPath[str], outage: FromPath[str]) -> Redirect:
        """Do what a button says; only buttons of this page may."""
        if request.headers.get("sec-fetch-site", "same-origin") == "same-origin" and outage in _STATES:
            if name in outline.servers:
                await outline.play(name, OutlineOutage(outage))
            if name in v2ray.servers:
                await v2ray.servers[name].play(V2RayOutage(outage))
        return Redirect(PATH, status_code=303)

    return Router(PATH, route_handlers=[show, play], include_in_schema=False)


_NOTHING = '<tr><td colspan="4">Nobody has opened a checkout yet.</td></tr>'


def _users(core: V2RayServer) -> list[str]:
    return [user.email for users in core.state.users.values() for user in users]


def _server(name: str, kind: str, outage: str, keys: list[str]) -> str:
    buttons = "".join(_button(name, *choice) for choice in _BUTTONS if choice[0] != outage)
    listed = "".join(f"<li><code>{escape(key)}</code></li>" for key in keys[:_SHOWN]) or "<li>no keys yet</li>"
    counted = "1 key" if len(keys) == 1 else f"{len(keys)} keys"
    state = "well" if outage == "none" else "ill"
    return (
        f'<li class="server {state}"><h3>{escape(name)} <small>{kind}</small></h3>'
        f"<p><b>{_STATES.get(outage, escape(outage))}</b>, {counted}</p>"
        f'<ul class="keys">{listed}</ul><div class="row">{buttons}</div></li>'
    )


_BUTTONS = (("none", "Switch on"), ("down", "Switch off"), ("hang", "Let it hang"))


def _button(name: str, outage: str, label: str) -> str:
    return (
        f'<form method="post" action="{PATH}/{quote(name)}/{outage}">'
        f'<button class="button quiet">{label}</button></form>'
    )


def _payment(session: Session) -> str:
    paid = "paid" if session.payment_status == "paid" else session.status
    link = f'<a href="{escape(session.url, quote=True)}">{escape(paid)}</a>' if session.status == "open" else paid
    cells = (escape(session.product), escape(price(session.amount, session.currency)), link, escape(session.id[-8:]))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
