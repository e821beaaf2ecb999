"""The operator's daily work on the command line."""

from dataclasses import dataclass

import pytest
from tests.postgres import apart
from tests.runners.commands.terminal import Run

from veilbot_adapters import memory
from veilbot_adapters.system import SystemClock
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.services.fleet import Draft
from veilbot_runners.container import open_container
from veilbot_runners.settings import load

ENDPOINT = {"api_url": "https://203.0.113.7:8443/hush-hush", "cert_sha256": "AB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """What the shop below has in it."""

    user: str
    tariff: str
    server: str
    order: str


async def _sell() -> Sold:
    """Let a customer buy a month; the order is fulfilled."""
    gateway = memory.MemoryGateway(SystemClock())
    outside = {"gateways": {Provider.STRIPE: gateway}, "protocols": {Protocol.OUTLINE: memory.MemoryVpn()}}
    async with open_container(load(env_file=None), **outside) as container:
        shop = container.application()
        server = await shop.fleet.add(
            Draft(name="Amsterdam", protocol=Protocol.OUTLINE, country="NL", endpoint=ENDPOINT)
        )
        user = await shop.users.add("Ann")
        tariff = await shop.catalog.add(Terms(name="Month", days=30), {"USD": 499})
        order = await shop.checkout.open(user.id, tariff.id, Provider.STRIPE)
        await shop.payments.receive(Provider.STRIPE, *gateway.pay(order.id))
        while jobs := await shop.work.claim(50):
            for job in jobs:
                await shop.work.run(job)
        return Sold(user=str(user.id), tariff=str(tariff.id), server=str(server.id), order=str(order.id))


@pytest.fixture
def sold(shop: Run) -> Sold:  # noqa: ARG001 - sets the database's address
    return apart(_sell())


def test_orders_are_listed_shown_and_paid_back(shop: Run, sold: Sold) -> None:
    assert [o["id"] for o in shop("order", "list", "--json").json["items"]] == [sold.order]
    assert shop("order", "list", "--status", "held", "--json").json["items"] == []
    assert [o["status"] for o in shop("order", "list", "--user", sold.user, "--json").json["items"]] == ["fulfilled"]
    shown = shop("order", "show", sold.order, "--json").json
    assert shown["price"] == {"amount": 499, "currency": "USD"}
    assert shown["paid_at"].endswith("Z")
    assert shop("order", "refund", sold.order, "--amount", "2.50", "--json").code == 0
    too_much = shop("order", "refund", sold.order, "--amount", "5.00")
    assert (too_much.code, too_much.out) == (2, "")
    again = shop("order", "retry", sold.order)
    assert again.code == 1
    assert "fulfilled" in again.err


def test_subscriptions_and_keys_are_looked_at_and_given(shop: Run, sold: Sold) -> None:
    listed = shop("subscription", "list", "--json").json["items"]
    assert [(s["user_id"], s["standing"], s["tariff"]) for s in listed] == [(sold.user, "active", "Month")]
    quiet = shop("subscription", "show", listed[0]["id"], "--json").json
    assert quiet["keys"] == 1
    assert "link" not in quiet
    assert "/s/" in shop("subscription", "show", listed[0]["id"], "--link", "--json").json["link"]
    extended = shop("subscription", "extend", listed[0]["id"], "--days", "7", "--json").json
    assert extended["ends_at"] > listed[0]["ends_at"]
    keys = shop("key", "list", "--user", sold.user, "--json")
    assert [(k["name"], k["works"]) for k in keys.json["items"]] == [("Amsterdam", True)]
    assert "ss://" not in keys.out
    shown = shop("key", "show", keys.json["items"][0]["id"], "--json")
    assert (shown.json["user_id"], shown.json["server"]) == (sold.user, "Amsterdam")
    assert "ss://" not in shown.out
    assert "Amsterdam" in shop("key", "show", keys.json["items"][0]["id"]).out
    given = shop("key", "give", "--user", sold.user, "--tariff", sold.tariff, "--days", "3", "--json")
    assert given.json["standing"] == "active"
    assert len(shop("subscription", "list", "--json").json["items"]) == 2
    assert shop("key", "give", "--user", sold.user, "--tariff", sold.tariff, "--days", "0").code == 2


def test_customers_are_shut_out_and_let_in(shop: Run, sold: Sold) -> None:
    assert shop("user", "block", sold.user, "--json").json["blocked_at"].endswith("Z")
    assert shop("user", "show", sold.user, "--json").json["blocked_at"] is not None
    assert shop("user", "unblock", sold.user, "--json").json["blocked_at"] is None


def test_servers_leave_service_and_return(shop: Run, sold: Sold) -> None:
    for command, status in (("drain", "draining"), ("disable", "disabled"), ("enable", "active")):
        assert shop("server", command, sold.server, "--json").json["status"] == status
    assert shop("server", "resize", sold.server, "250", "--json").json["capacity"] == 250
    assert "capacity" in shop("server", "resize", sold.server, "1000001").err
    assert shop("server", "move", sold.server, "--json").json["status"] == "draining"
    shown = shop("server", "show", sold.server)
    assert "Amsterdam" in shown.out
    assert "hush-hush" not in shown.out
    assert shop("tariff", "show", sold.tariff, "--json").json["name"] == "Month"


@pytest.mark.parametrize("noun", ["order", "user", "server", "tariff", "subscription", "key", "apikey"])
def test_what_is_not_there_is_one_sentence(shop: Run, noun: str) -> None:
    done = shop(noun, "show", "0199a7d2-7c1e-7a70-8f4e-2b6f0c9d1e55", "--json")
    assert (done.code, done.out) == (1, "")
    assert done.err == "veilbot: There is no such thing: the `list` commands show what there is\n"
    assert shop(noun, "show", "nonsense").code == 2


def test_a_taken_name_and_full_servers_say_what_to_do(shop: Run, sold: Sold) -> None:
    customer = ("user", "add", "--name", "Bob", "--telegram-id", "77", "--json")
    assert shop(*customer).code == 0
    taken = shop(*customer)
    assert (taken.code, taken.out) == (1, "")
    assert "its name or its Telegram account is taken; choose another" in taken.err
    full = shop("key", "give", "--user", sold.user, "--tariff", sold.tariff, "--days", "3", "--country", "FR")
    assert (full.code, full.out) == (1, "")
    assert full.err == "veilbot: Every suitable server is full or out of order: `veilbot server list` shows them\n"


def test_no_order_yet_is_not_no_such_order(shop: Run) -> None:
    assert shop("order", "list").err == "There is no order yet.\n"
    assert shop("order", "list", "--status", "held").err == "There is no such order.\n"
