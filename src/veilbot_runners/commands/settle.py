"""``veilbot settle``: ask the providers for what their webhooks never told."""

import re
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

import typer

from veilbot_core.application import Application
from veilbot_core.domain.errors import InvalidInput
from veilbot_core.services.settlement import Findings
from veilbot_runners.commands.printing import AsJson, Row, show_all
from veilbot_runners.commands.serve import with_shop

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def settle(
    since: Annotated[str, typer.Option(help="How far back: 90m, 24h, 7d; 30 days at most.")] = "24h",
    as_json: AsJson = False,
) -> None:
    """Ask the providers for payments, refunds and disputes whose webhooks never came, and book them.

    The worker does the same every 10 minutes; what is paid is delivered by it.
    """
    ago = _duration(since)

    async def act(shop: Application) -> list[Findings]:
        return await shop.settlement.settle(shop.clock.now() - ago, _progress(ago))

    found = with_shop(act)
    if as_json:
        show_all([_row(each) for each in found], as_json=True, empty="")
    for each in () if as_json else found:
        print(_sentence(each))
        print(*(f"  order {order_id}" for order_id in each.orders), sep="\n", end="\n" if each.orders else "")
        print(*(f"  {event_id} could not be read or booked" for event_id in each.troubles), sep="\n", end="")
    if any(each.troubles for each in found):
        sys.exit(1)


def _duration(text: str) -> timedelta:
    matched = re.fullmatch(r"([0-9]{1,5})([mhd])", text.strip())
    if matched is None or int(matched[1]) == 0:
        raise InvalidInput(f"{text!r} is no time; write it as 90m, 24h or 7d", field="since")
    return timedelta(**{_UNITS[matched[2]]: int(matched[1])})


def _progress(ago: timedelta) -> Callable[[Findings], None]:
    """Count along on a terminal."""

    def show(found: Findings) -> None:
        if sys.stderr.isatty():
            share = min(1.0, (found.until - found.since) / ago)
            print(f"\r{found.provider}: {share:.0%}, {found.events} events", end="", file=sys.stderr)
            print(end="\n" if share >= 1 else "", file=sys.stderr)

    return show


def _sentence(found: Findings) -> str:
    count = f"{found.events} event{'' if found.events == 1 else 's'} since {found.since:%Y-%m-%d %H:%M} UTC"
    return f"{found.provider}: {count}, {found.news} new, {found.booked} booked"


def _row(found: Findings) -> Row:
    return {
        "provider": found.provider,
        "since": found.since,
        "until": found.until,
        "events": found.events,
        "new": found.news,
        "booked": found.booked,
        "orders": list(found.orders),
        "troubles": list(found.troubles),
    }
