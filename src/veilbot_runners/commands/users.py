"""Commands about customers."""

from typing import Annotated
from uuid import UUID

import typer

from veilbot_core.domain.ids import UserId
from veilbot_core.domain.user import Language, User
from veilbot_runners.commands.printing import AsJson, Limit, Row, show, show_all
from veilbot_runners.commands.serve import with_shop

users = typer.Typer(help="Customers.", no_args_is_help=True, rich_markup_mode=None)


@users.command("add")
def user_add(
    name: Annotated[str, typer.Option(help="How to call them.")],
    telegram_id: Annotated[int | None, typer.Option(help="Their Telegram account.")] = None,
    language: Annotated[Language, typer.Option(help="Of the texts they get.")] = Language.EN,
    as_json: AsJson = False,
) -> None:
    """Make a customer by hand."""
    show(_user(with_shop(lambda shop: shop.users.add(name, telegram_id, language))), as_json=as_json)


@users.command("list")
def user_list(limit: Limit = 50, as_json: AsJson = False) -> None:
    """Show customers, newest first."""
    found = with_shop(lambda shop: shop.users.page(limit=limit))
    show_all([_user(u) for u in found], as_json=as_json, empty="Nobody has come yet.")


@users.command("show")
def user_show(user: UUID, as_json: AsJson = False) -> None:
    """Show a customer."""
    show(_user(with_shop(lambda shop: shop.users.get(UserId(user)))), as_json=as_json)


@users.command("block")
def user_block(user: UUID, as_json: AsJson = False) -> None:
    """Shut a customer out of buying; what they have paid for stays."""
    show(_user(with_shop(lambda shop: shop.users.block(UserId(user)))), as_json=as_json)


@users.command("unblock")
def user_unblock(user: UUID, as_json: AsJson = False) -> None:
    """Let a customer buy again."""
    show(_user(with_shop(lambda shop: shop.users.unblock(UserId(user)))), as_json=as_json)


def _user(user: User) -> Row:
    return {
        "id": user.id,
        "name": user.name,
        "telegram_id": user.telegram_id,
        "language": user.language,
        "blocked_at": user.blocked_at,
        "created_at": user.created_at,
    }
