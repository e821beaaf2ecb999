"""Commands that take care of a shop: init, migrate, doctor, reconcile, rotate-keys and what it tells about itself."""

import asyncio
import json
import secrets
import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from veilbot_core.application import Application
from veilbot_core.domain.errors import Conflict, NotFound, Rejected, VeilbotError
from veilbot_core.domain.secret import Place
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.ports.failpoints import Point
from veilbot_core.services.sealing import Tally
from veilbot_runners import backends, logs
from veilbot_runners.commands.printing import AsJson, IsJson, Row, show, show_all
from veilbot_runners.commands.serve import ENV_FILE, settings, with_shop
from veilbot_runners.settings import load


def init(
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a commented .env with generated secrets."""
    from veilbot_adapters.sealing import new_key

    path = ENV_FILE.get()
    if path.is_dir():
        raise Conflict(f"{path} is a folder; take it away, or name a file with --env-file")
    if path.exists() and not force:
        raise Conflict(f"{path} is there already; --force replaces it (and its secrets are lost)")
    text = (Path(__file__).parent.parent / "env.example").read_text(encoding="utf-8")
    text = text.replace("# VEILBOT_ENCRYPTION_KEYS=", f"VEILBOT_ENCRYPTION_KEYS={new_key()}")
    text = text.replace(
        "# VEILBOT_TELEGRAM__WEBHOOK_SECRET=", f"VEILBOT_TELEGRAM__WEBHOOK_SECRET={secrets.token_urlsafe(24)}"
    )
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")
    if as_json:
        show({"path": str(path)}, as_json=True)
    else:
        print(f"Wrote {path}. Fill in the bot's token and the payment keys, then: veilbot migrate && veilbot doctor")


def migrate(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if something is to be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database's schema up to date."""
    from veilbot_adapters import database

    url = settings().database_url
    with backends.naming("VEILBOT_DATABASE_URL"):
        steps = asyncio.run(database.pending(url) if check else database.migrate(url))
    rows: list[Row] = [{"revision": step} for step in steps]
    show_all(rows, as_json=as_json, empty="The schema is up to date.")
    if check and steps:
        sys.exit(1)


def doctor(as_json: AsJson = False) -> None:
    """Check settings, database, servers, payments and the bot, and say how to mend what is wrong."""
    from veilbot_runners import checkup

    logs.configure("error")
    findings = asyncio.run(checkup.examine(ENV_FILE.get()))
    rows: list[Row] = [{"check": f.check, "ok": f.ok, "says": f.says, "mend": f.mend} for f in findings]
    if as_json:
        show_all(rows, as_json=True, empty="")
    for finding in () if as_json else findings:
        print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.check}: {finding.says}")
        if finding.mend:
            print(f"      -> {finding.mend}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)


def reconcile(
    server: Annotated[UUID | None, typer.Option(help="Only this one.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare servers with what we want of them; the worker mends what differs."""

    async def act(shop: Application) -> list[Row]:
        chosen = [s for s in await shop.fleet.all() if s.id == (server or s.id)]
        if server is not None and not chosen:
            raise NotFound(f"there is no server {server}: veilbot server list")
        used = [s for s in chosen if server or s.status is not ServerStatus.DISABLED]
        return [await _pass_over(shop, each, dry_run=dry_run) for each in used]

    rows = with_shop(act)
    if not rows:
        print("There is no server in use: veilbot server list", file=sys.stderr)
    if rows or as_json:
        show_all(rows, as_json=as_json, empty="")
    if any(row["error"] for row in rows):
        sys.exit(1)


async def _pass_over(shop: Application, server: Server, *, dry_run: bool) -> Row:
    row: dict[str, object] = {"server": server.name, "id": server.id}
    try:
        report = await shop.provisioning.reconcile(server.id, dry_run=dry_run)
    except VeilbotError as error:
        counts: dict[str, object] = dict.fromkeys(("wanted", "missing", "surplus", "withheld", "differing", "foreign"))
        return row | counts | {"error": str(error)}
    return row | {
        "wanted": report.wanted,
        "missing": len(report.missing),
        "surplus": len(report.surplus),
        "withheld": report.withheld,
        "differing": len(report.differing),
        "foreign": len(report.foreign),
        "error": None,
    }


def rotate_keys(as_json: AsJson = False) -> None:
    """Seal every secret under the first of VEILBOT_ENCRYPTION_KEYS; the shop may run meanwhile."""

    def tell(place: Place, tally: Tally) -> None:
        if sys.stderr.isatty():
            print(f"\r{place}: {tally.seen} looked at, {tally.old} sealed anew", end="", file=sys.stderr)

    found = with_shop(lambda shop: shop.sealing.rotate(tell))
    if sys.stderr.isatty():
        print(file=sys.stderr)
    rows: list[Row] = [
        {"place": place, "values": tally.seen, "sealed_anew": tally.old, "unreadable": tally.shut}
        for place, tally in found.items()
    ]
    show_all(rows, as_json=as_json, empty="")
    if shut := sum(tally.shut for tally in found.values()):
        raise Rejected(
            f"none of VEILBOT_ENCRYPTION_KEYS opens {shut} of the values: add the key that sealed them, behind the"
            " others, and run this again"
        )


def openapi(_as_json: IsJson = False) -> None:
    """Print the OpenAPI document of the HTTP API."""
    from veilbot_runners.serving import document

    logs.configure("error")
    print(json.dumps(asyncio.run(document(load(env_file=ENV_FILE.get()))), indent=2, ensure_ascii=False))


def asyncapi(_as_json: IsJson = False) -> None:
    """Print the AsyncAPI document of the events that other systems can hear."""
    logs.configure("error")
    print(json.dumps(backends.asyncapi(), indent=2, ensure_ascii=False))


def failpoints(as_json: AsJson = False) -> None:
    """List the named places where a test may let the process die."""
    rows: list[Row] = [{"point": point.value, "name": point.name.lower().replace("_", " ")} for point in Point]
    show_all(rows, as_json=as_json, empty="")
