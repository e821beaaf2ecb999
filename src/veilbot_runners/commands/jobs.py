"""Commands about work that was tried too often and waits for a person."""

from uuid import UUID

import typer

from veilbot_core.domain.ids import JobId
from veilbot_core.domain.jobs import Job
from veilbot_core.ports.notifier import About
from veilbot_runners.commands.printing import AsJson, Limit, Row, show, show_all
from veilbot_runners.commands.serve import with_shop

jobs = typer.Typer(help="Work that waits for a person.", no_args_is_help=True, rich_markup_mode=None)


@jobs.command("list")
def job_list(limit: Limit = 50, as_json: AsJson = False) -> None:
    """Show dead jobs: which, for whom, since when, and why."""
    found = with_shop(lambda shop: shop.notices.dead(limit=limit))
    show_all([_job(dead.job, dead.about) for dead in found], as_json=as_json, empty="No work waits for a person.")


@jobs.command("retry")
def job_retry(job: UUID, as_json: AsJson = False) -> None:
    """Let a worker try it again, at once and with all its attempts; mend the cause first."""
    show(_job(with_shop(lambda shop: shop.work.requeue(JobId(job))), About()), as_json=as_json)


def _job(job: Job, about: About) -> Row:
    return {
        "id": job.id,
        "kind": job.kind,
        "customer": about.customer,
        "server": about.server,
        "order": about.order_id,
        "subject": job.subject,
        "since": job.created_at,
        "error": job.error,
    }
