"""Commands that compare and ask: what they say when there is nothing, and when something is wrong."""

import asyncio
from uuid import UUID

import pytest
from tests.runners.commands.terminal import Run

from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.user import Language
from veilbot_core.ports.storage import UnitOfWork
from veilbot_runners.container import open_application
from veilbot_runners.settings import load

NOBODY = str(UUID(int=7))


@pytest.fixture
def stripe(shop: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A shop whose Stripe does not answer."""
    monkeypatch.setenv("VEILBOT_STRIPE__SECRET_KEY", "sk_test_1")
    monkeypatch.setenv("VEILBOT_STRIPE__WEBHOOK_SECRET", "whsec_1")
    monkeypatch.setenv("VEILBOT_STRIPE__API_BASE", "http://127.0.0.1:9")
    monkeypatch.setenv("VEILBOT_TIMEOUT__PAYMENT", "1")
    return shop


@pytest.mark.parametrize("options", [(), ("--json",), ("--dry-run", "--json")])
def test_reconcile_says_that_there_is_no_server(shop: Run, options: tuple[str, ...]) -> None:
    done = shop("reconcile", *options)
    assert (done.code, done.err) == (0, "There is no server in use: veilbot server list\n")
    assert done.out == ('{"items": []}\n' if "--json" in options else "")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_reconcile_of_an_unknown_server_fails_in_one_sentence(shop: Run, options: tuple[str, ...]) -> None:
    done = shop("reconcile", "--server", NOBODY, *options)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"veilbot: there is no server {NOBODY}: veilbot server list\n"


def test_settle_without_a_provider_fails_in_one_sentence(shop: Run) -> None:
    done = shop("settle", "--json")
    assert (done.code, done.out) == (1, "")
    assert done.err == "veilbot: no payment provider is configured: `veilbot doctor` says what to set\n"


def test_settle_says_that_the_provider_does_not_answer(stripe: Run) -> None:
    done = stripe("settle")
    assert (done.code, done.out) == (1, "")
    assert done.err == "veilbot: Stripe cannot be reached\n"


@pytest.mark.parametrize("since", ["", "yesterday", "0h", "24", "-1h", "1w", "31d", "99999d"])
def test_settle_takes_no_time_that_it_cannot_ask_for(stripe: Run, since: str) -> None:
    done = stripe("settle", f"--since={since}")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)


async def _bury(url: str, error: str) -> str:
    """Let a job die; return its id."""
    async with open_application(load(env_file=None, database_url=url)) as shop:
        user = await shop.users.add("Ann", 7, Language.EN)
        now = shop.clock.now()

        def work(uow: UnitOfWork) -> str:
            uow.jobs.ask(Job.ask(JobKind.TELL_READY, user.id, now))
            (job,) = uow.jobs.claim(now, now, 1)
            uow.jobs.bury(job, error)
            return str(job.id)

        return await shop.storage.write(work)


def test_dead_work_is_shown_with_its_reason_and_tried_again(shop: Run, sqlite_url: str) -> None:
    job = asyncio.run(_bury(sqlite_url, "rejected: nobody listens"))
    (shown,) = shop("job", "list", "--json").json["items"]
    assert (shown["id"], shown["kind"], shown["error"]) == (job, "tell_ready", "rejected: nobody listens")
    assert shown["since"].endswith("Z")
    table = shop("job", "list")
    assert "nobody listens" in table.out
    assert shop("job", "retry", job, "--json").json["id"] == job
    assert shop("job", "list").err == "No work waits for a person.\n"
    again = shop("job", "retry", job)
    assert (again.code, again.out) == (1, "")
    assert again.err == "veilbot: there is no such dead job: the `list` commands show what there is\n"
