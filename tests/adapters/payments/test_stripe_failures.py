"""What each failure of Stripe means, and that none of them tells a secret."""

import logging
import socket
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import stripe
from tests.adapters.payments.served import CLOCK, IDS, SECRET_KEY, WEBHOOK_SECRET, ServedStripe, an_order, gateway_to

from veilbot_adapters.payments.stripe import StripeGateway
from veilbot_adapters.payments.stripe_errors import translated
from veilbot_adapters.resilience import Guard, Limits
from veilbot_core.domain.errors import InvalidInput, MalformedEvent, PortError, Rejected, Unavailable, Unknown
from veilbot_core.domain.order import Order
from veilbot_runners.sandbox.stripe import Trouble

PAGES = {"success_url": "http://127.0.0.1:1/thanks", "cancel_url": "http://127.0.0.1:1/back"}
CardError: Any = stripe.CardError  # the SDK has no types for these
APIConnectionError: Any = stripe.APIConnectionError
InvalidRequestError: Any = stripe.InvalidRequestError
IMPATIENT = Limits(attempts=1, timeout=0.1)


async def opened(gateway: StripeGateway) -> Order:
    order = an_order()
    page = await gateway.open_checkout(order)
    return order.offer(page.checkout_id, page.url)


async def failure(call: Awaitable[object]) -> PortError:
    with pytest.raises(PortError) as raised:
        await call
    return raised.value


class TestWhatFailuresMean:
    @pytest.mark.parametrize(
        ("trouble", "opening", "asking"),
        [
            (Trouble.BUSY, Unavailable, Unavailable),
            (Trouble.CONFLICT, Unavailable, Unavailable),
            (Trouble.BROKEN, Unknown, Unavailable),
            (Trouble.LOST, Unknown, Unavailable),
            (Trouble.NONSENSE, Unknown, Unavailable),
        ],
    )
    async def test_troubles(
        self,
        gateway: StripeGateway,
        served: ServedStripe,
        trouble: Trouble,
        opening: type[PortError],
        asking: type[PortError],
    ) -> None:
        order = await opened(gateway)
        served.sandbox.troubles.append(trouble)
        assert type(await failure(gateway.open_checkout(an_order()))) is opening
        served.sandbox.troubles.append(trouble)
        assert type(await failure(gateway.fetch(order))) is asking

    async def test_patience_that_is_asked_for_is_passed_on(self, gateway: StripeGateway, served: ServedStripe) -> None:
        served.sandbox.troubles.append(Trouble.BUSY)
        assert (await failure(gateway.open_checkout(an_order()))).retry_after == 1.0

    async def test_a_slow_answer_to_a_question_is_unavailable(self, served: ServedStripe) -> None:
        async with gateway_to(served.api_base) as patient, gateway_to(served.api_base, limits=IMPATIENT) as gateway:
            order = await opened(patient)
            served.sandbox.troubles.append(Trouble.SLOW)
            assert type(await failure(gateway.fetch(order))) is Unavailable

    async def test_nobody_there_is_unavailable(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            async with gateway_to(f"http://127.0.0.1:{free.getsockname()[1]}") as gateway:
                assert type(await failure(gateway.open_checkout(an_order()))) is Unavailable

    async def test_what_stripe_does_not_know_is_rejected(self, gateway: StripeGateway) -> None:
        error = await failure(gateway.fetch(an_order().offer("cs_test_none", "")))
        assert type(error) is Rejected
        assert "resource_missing" in error.message

    async def test_another_body_under_the_same_key_is_rejected(
        self, gateway: StripeGateway, served: ServedStripe
    ) -> None:
        order = await opened(gateway)
        async with gateway_to(served.api_base, success_url="http://127.0.0.1:1/elsewhere") as changed:
            assert type(await failure(changed.open_checkout(order))) is Rejected

    @pytest.mark.parametrize(
        ("error", "meaning"),
        [
            (CardError("no", None, "card_declined", http_status=402), Rejected),
            (stripe.PermissionError("no", http_status=403), Rejected),
            (stripe.AuthenticationError("no", http_status=401), Rejected),
            (stripe.IdempotencyError("no", http_status=400), Rejected),
            (stripe.APIError("no", http_status=410), Rejected),
            (stripe.APIError("no", http_status=503), Unknown),
            (stripe.APIError("no"), Unknown),
            (APIConnectionError("no"), Unknown),
            (stripe.RateLimitError("no", http_status=429, headers={"retry-after": "soon"}), Unavailable),
            (MalformedEvent(), Unknown),
        ],
    )
    def test_each_kind_of_error(self, error: Exception, meaning: type[PortError]) -> None:
        with pytest.raises(PortError) as raised, translated(mutating=True):
            raise error
        assert type(raised.value) is meaning
        assert raised.value.retry_after is None


class TestSecrets:
    async def test_no_secret_is_in_any_error_or_log(
        self, served: ServedStripe, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        said = []
        calls: list[Callable[[StripeGateway, Order], Awaitable[object]]] = [
            lambda gateway, order: gateway.open_checkout(order),
            lambda gateway, order: gateway.fetch(order.offer("cs_none", "")),
            lambda gateway, order: gateway.refund(order, "pi_none", order.price, attempt="1"),
        ]
        async with gateway_to(served.api_base) as gateway, gateway_to("http://127.0.0.1:1") as deaf:
            await gateway.open_checkout(an_order())
            for call in calls:
                said.append(await failure(call(deaf, an_order())))
                for trouble in set(Trouble) - {Trouble.LATER, Trouble.SLOW}:
                    served.sandbox.troubles.append(trouble)
                    said.append(await failure(call(gateway, an_order())))
            with pytest.raises(PortError) as raised, translated(mutating=True):
                raise InvalidRequestError(f"key {SECRET_KEY}", None, http_body=SECRET_KEY)
            said.append(raised.value)
        shown = caplog.text + repr(gateway) + "".join("".join(traceback.format_exception(error)) for error in said)
        assert "Stripe" in shown
        assert SECRET_KEY not in shown
        assert WEBHOOK_SECRET not in shown
        assert "checkout.session" not in caplog.text, "bodies hold customers' data"

    @pytest.mark.parametrize("secrets", [(), ("",), ("whsec_a", " ")])
    def test_an_empty_webhook_secret_is_refused(self, secrets: tuple[str, ...]) -> None:
        with pytest.raises(InvalidInput):
            StripeGateway(SECRET_KEY, secrets, Guard("stripe", CLOCK, IDS), CLOCK, api_base=None, **PAGES)

    def test_an_empty_key_is_refused(self) -> None:
        with pytest.raises(InvalidInput):
            StripeGateway(" ", ["whsec_a"], Guard("stripe", CLOCK, IDS), CLOCK, api_base=None, **PAGES)
