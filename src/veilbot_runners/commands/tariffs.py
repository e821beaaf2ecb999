"""Commands about tariffs."""

import sys
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer

from veilbot_core.domain.errors import InvalidInput
from veilbot_core.domain.ids import TariffId
from veilbot_core.domain.money import Money
from veilbot_core.domain.tariff import Protocol, Tariff, Terms
from veilbot_runners.commands.printing import AsJson, Row, show, show_all
from veilbot_runners.commands.serve import with_shop

tariffs = typer.Typer(help="What is sold.", no_args_is_help=True, rich_markup_mode=None)


@tariffs.command("add")
def tariff_add(
    name: Annotated[str, typer.Option(help="What customers see.")],
    days: Annotated[int, typer.Option(help="How long it lasts.")],
    price: Annotated[list[str] | None, typer.Option(help="CURRENCY:AMOUNT in major units, as USD:4.99.")] = None,
    traffic_gb: Annotated[int | None, typer.Option(help="Traffic limit in GB (10^9 bytes); V2Ray keeps none.")] = None,
    devices: Annotated[int | None, typer.Option(help="Device limit.")] = None,
    protocol: Annotated[list[Protocol] | None, typer.Option(help="One key per protocol.")] = None,
    group: Annotated[list[str] | None, typer.Option(help="Server groups that serve it; all by default.")] = None,
    trial: Annotated[bool, typer.Option("--trial", help="Free, once per person; not for sale.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a tariff on sale."""
    prices = _prices(price or ())
    terms = Terms(
        name=name,
        days=days,
        traffic_limit=traffic_gb * 10**9 if traffic_gb is not None else None,
        device_limit=devices,
        protocols=tuple(protocol or [Protocol.OUTLINE]),
        groups=tuple(group or ()),
    )
    show(_tariff(with_shop(lambda shop: shop.catalog.add(terms, prices, trial=trial))), as_json=as_json)
    if terms.traffic_limit is not None and not terms.limit_kept:
        print("Nobody keeps this traffic limit: V2Ray and Xray servers end no key for its traffic.", file=sys.stderr)


@tariffs.command("list")
def tariff_list(as_json: AsJson = False) -> None:
    """Show every tariff."""
    found = with_shop(lambda shop: shop.catalog.all())
    show_all([_tariff(t) for t in found], as_json=as_json, empty="There is nothing on sale: veilbot tariff add")


@tariffs.command("archive")
def tariff_archive(tariff: UUID, as_json: AsJson = False) -> None:
    """Take a tariff off sale; what was sold stays as it was."""
    show(_tariff(with_shop(lambda shop: shop.catalog.archive(TariffId(tariff)))), as_json=as_json)


@tariffs.command("show")
def tariff_show(tariff: UUID, as_json: AsJson = False) -> None:
    """Show a tariff."""
    show(_tariff(with_shop(lambda shop: shop.catalog.get(TariffId(tariff)))), as_json=as_json)


def _prices(texts: Sequence[str]) -> dict[str, int]:
    """Read prices; which of two in one currency is meant, nobody can know."""
    prices: dict[str, int] = {}
    for currency, amount in map(_price, texts):
        if currency in prices:
            raise InvalidInput(f"there are two prices in {currency}", field="price")
        prices[currency] = amount
    return prices


def _price(text: str) -> tuple[str, int]:
    currency, colon, amount = text.partition(":")
    if not colon:
        raise InvalidInput(f"{text!r} is not a price; write it as USD:4.99", field="price")
    return currency.upper(), Money.parse(amount, currency.upper()).amount


def _tariff(tariff: Tariff) -> Row:
    terms = tariff.terms
    return {
        "id": tariff.id,
        "name": terms.name,
        "days": terms.days,
        "prices": [Money(amount=amount, currency=currency) for currency, amount in sorted(tariff.prices.items())],
        "traffic_limit": terms.traffic_limit,
        "device_limit": terms.device_limit,
        "protocols": list(terms.protocols),
        "trial": tariff.trial,
        "archived_at": tariff.archived_at,
    }
