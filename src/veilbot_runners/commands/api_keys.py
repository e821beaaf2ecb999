"""Commands about keys of the HTTP API."""

from typing import Annotated
from uuid import UUID

import typer

from veilbot_core.domain.apikey import ApiKey
from veilbot_core.domain.ids import ApiKeyId
from veilbot_runners.commands.printing import AsJson, Row, show, show_all
from veilbot_runners.commands.serve import with_shop

api_keys = typer.Typer(help="Keys of the HTTP API.", no_args_is_help=True, rich_markup_mode=None)


@api_keys.command("add")
def api_key_add(
    name: Annotated[str, typer.Option(help="Who will use it.")],
    scope: Annotated[list[str], typer.Option(help="users:read, billing:write ... or '*'.")],
    days: Annotated[int | None, typer.Option(min=1, help="After how many days it ends.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key of the HTTP API; the secret is printed once."""
    key, secret = with_shop(lambda shop: shop.api_keys.add(name, scope, days=days))
    show({**_api_key(key), "secret": secret}, as_json=as_json)


@api_keys.command("list")
def api_key_list(as_json: AsJson = False) -> None:
    """Show every API key, without its secret."""
    found = with_shop(lambda shop: shop.api_keys.all())
    show_all([_api_key(k) for k in found], as_json=as_json, empty="There is no API key: veilbot apikey add")


@api_keys.command("show")
def api_key_show(key: UUID, as_json: AsJson = False) -> None:
    """Show an API key, without its secret."""
    show(_api_key(with_shop(lambda shop: shop.api_keys.get(ApiKeyId(key)))), as_json=as_json)


@api_keys.command("revoke")
def api_key_revoke(key: UUID, as_json: AsJson = False) -> None:
    """Shut an API key for ever."""
    show(_api_key(with_shop(lambda shop: shop.api_keys.revoke(ApiKeyId(key)))), as_json=as_json)


def _api_key(key: ApiKey) -> Row:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "scopes": key.scopes,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }
