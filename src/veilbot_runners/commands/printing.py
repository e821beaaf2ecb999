"""Printing: columns for people, JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated
from uuid import UUID

import typer

from veilbot_core.domain.money import Money

Row = Mapping[str, object]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
IsJson = Annotated[bool, typer.Option("--json", help="For its own sake: this prints nothing but JSON.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many to show.")]


def show(row: Row, *, as_json: bool) -> None:
    """Print one thing."""
    if as_json:
        print(json.dumps(_plain(row), ensure_ascii=False))
        return
    width = max((len(name) for name in row), default=0)
    for name, value in row.items():
        print(f"{name.ljust(width)}  {_text(value)}")


def show_all(rows: Sequence[Row], *, as_json: bool, empty: str) -> None:
    """Print many things; ``empty`` is what to say to a person when there are none."""
    if as_json:
        print(json.dumps({"items": [_plain(row) for row in rows]}, ensure_ascii=False))
        return
    if not rows:
        print(empty, file=sys.stderr)
        return
    table = [[name.upper() for name in rows[0]], *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _text(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(sorted(map(str, value))) or "-"
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, Money):
        return {"amount": value.amount, "currency": value.currency}
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, UUID) else value
