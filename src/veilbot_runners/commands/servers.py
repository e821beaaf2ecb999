"""Commands about VPN servers."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from veilbot_core.application import Application
from veilbot_core.domain.errors import InvalidInput, Unavailable, Unknown
from veilbot_core.domain.ids import ServerId
from veilbot_core.domain.server import AccessLevel, Server, ServerStatus
from veilbot_core.domain.tariff import Protocol
from veilbot_core.services.fleet import Draft
from veilbot_runners.commands.printing import AsJson, Row, show, show_all
from veilbot_runners.commands.serve import with_shop

servers = typer.Typer(help="VPN servers.", no_args_is_help=True, rich_markup_mode=None)

_OUTLINE = ("api_url", "cert_sha256", "access_json")
_INBOUND = ("api", "inbound", "address", "port", "flavour", "proxy", "network", "security")
_LINK = ("sni", "path", "host", "fingerprint", "public_key", "short_id", "flow", "method")
_FILES = ("client_cert", "client_key")
_FIELDS = {"access_json": "access"}
"""Options whose name is not the setting's."""


def _v2ray(about: str) -> object:
    return typer.Option(help=f"V2Ray: {about}")


@servers.command("add")
def server_add(
    name: Annotated[str, typer.Option(help="What customers' apps show.")],
    country: Annotated[str, typer.Option(help="Two letters, ISO 3166-1.")],
    protocol: Annotated[Protocol, typer.Option(help="What the server speaks.")] = Protocol.OUTLINE,
    api_url: Annotated[str | None, typer.Option(help="Outline: apiUrl, as its installer printed it.")] = None,
    cert_sha256: Annotated[str | None, typer.Option(help="Of the API's certificate; Outline's certSha256.")] = None,
    access_json: Annotated[str | None, typer.Option(help="Outline: the installer's whole line.")] = None,
    api: Annotated[str | None, _v2ray("HOST:PORT of the core's gRPC API.")] = None,
    inbound: Annotated[str | None, _v2ray("the inbound's tag.")] = None,
    address: Annotated[str | None, _v2ray("the host that customers connect to.")] = None,
    port: Annotated[int | None, _v2ray("and the port.")] = None,
    flavour: Annotated[str | None, _v2ray("v2ray, xray, or auto, which asks.")] = None,
    proxy: Annotated[str | None, _v2ray("vless (default), vmess, trojan, shadowsocks.")] = None,
    network: Annotated[str | None, _v2ray("tcp (default), ws, grpc.")] = None,
    security: Annotated[str | None, _v2ray("none (default), tls, reality.")] = None,
    sni: Annotated[str | None, _v2ray("the name inside TLS.")] = None,
    path: Annotated[str | None, _v2ray("of ws, or grpc's service name.")] = None,
    host: Annotated[str | None, _v2ray("the Host header of ws.")] = None,
    fingerprint: Annotated[str | None, _v2ray("which browser the TLS looks like.")] = None,
    public_key: Annotated[str | None, _v2ray("of reality.")] = None,
    short_id: Annotated[str | None, _v2ray("of reality.")] = None,
    flow: Annotated[str | None, _v2ray("xtls-rprx-vision, for vless inside tls or reality.")] = None,
    method: Annotated[str | None, _v2ray("shadowsocks' cipher.")] = None,
    client_cert: Annotated[Path | None, _v2ray("a PEM file: whom the proxy before the API trusts.")] = None,
    client_key: Annotated[Path | None, _v2ray("and its key.")] = None,
    capacity: Annotated[int, typer.Option(help="How many keys it takes.")] = 100,
    weight: Annotated[int, typer.Option(help="More is chosen more often.")] = 100,
    access: Annotated[AccessLevel, typer.Option(help="Who may get a key there.")] = AccessLevel.ALL,
    group: Annotated[str, typer.Option(help="Which tariffs it serves.")] = "",
    probe: Annotated[bool, typer.Option(help="Ask for a sign of life before it is saved.")] = True,
    as_json: AsJson = False,
) -> None:
    """Put a server into service."""
    given = locals()
    chosen = {option: given[option] for option in (*_OUTLINE, *_INBOUND, *_LINK, *_FILES) if given[option] is not None}
    draft = Draft(
        name=name,
        protocol=protocol,
        country=country,
        endpoint={_FIELDS.get(option, option): _text(option, value) for option, value in chosen.items()},
        capacity=capacity,
        weight=weight,
        access=access,
        group=group,
    )
    show(_server(with_shop(lambda shop: _add(shop, draft, probe=probe))), as_json=as_json)


@servers.command("list")
def server_list(as_json: AsJson = False) -> None:
    """Show every server."""
    found = with_shop(lambda shop: shop.fleet.all())
    show_all([_server(s) for s in found], as_json=as_json, empty="There is no server: veilbot server add")


@servers.command("show")
def server_show(server: UUID, as_json: AsJson = False) -> None:
    """Show a server, without how to get in."""
    show(_server(with_shop(lambda shop: shop.fleet.get(ServerId(server)))), as_json=as_json)


def _turn(name: str, status: ServerStatus, about: str) -> None:
    def turn(server: UUID, as_json: AsJson = False) -> None:
        show(_server(with_shop(lambda shop: shop.fleet.turn(ServerId(server), status))), as_json=as_json)

    servers.command(name, help=about)(turn)


_turn("drain", ServerStatus.DRAINING, "Let a server serve the keys that it has and take no new ones.")
_turn("enable", ServerStatus.ACTIVE, "Let a server take keys again.")
_turn("disable", ServerStatus.DISABLED, "Stop calling a server.")


@servers.command("resize")
def server_resize(server: UUID, capacity: int, as_json: AsJson = False) -> None:
    """Let a server have another number of keys; those that it has stay, and orders that wait for a place get one."""
    show(_server(with_shop(lambda shop: shop.fleet.resize(ServerId(server), capacity))), as_json=as_json)


@servers.command("move")
def server_move(server: UUID, as_json: AsJson = False) -> None:
    """Give each key of a server a replacement on another one; the worker does it, and the server takes no new keys."""
    show(_server(with_shop(lambda shop: shop.moving.ask(ServerId(server)))), as_json=as_json)


async def _add(shop: Application, draft: Draft, *, probe: bool) -> Server:
    """Add a server; of one that does not answer, say what can be done."""
    try:
        return await shop.fleet.add(draft, probe=probe)
    except (Unavailable, Unknown) as error:
        if not probe:
            raise
        raise type(error)(
            f"{error.message}, so nothing was saved: start it or correct its address, or save it unseen with --no-probe"
        ) from error


def _text(option: str, value: object) -> str:
    """Return a setting as text; of a file, what stands in it."""
    if not isinstance(value, Path):
        return str(value)
    try:
        return value.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{value} cannot be read", field=option) from error


def _server(server: Server) -> Row:
    return {
        "id": server.id,
        "name": server.name,
        "protocol": server.protocol,
        "country": server.country,
        "status": server.status,
        "down_since": server.down_since,
        "reserved": server.reserved,
        "capacity": server.capacity,
    }
