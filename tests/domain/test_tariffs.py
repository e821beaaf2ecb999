"""What is sold."""

from typing import Any

import pytest
from tests.contracts.storage.things import NOW, SECOND, a_tariff

from veilbot_core.domain.errors import InvalidInput, TariffUnavailable
from veilbot_core.domain.money import Money
from veilbot_core.domain.tariff import Protocol, Terms


class TestTerms:
    @pytest.mark.parametrize(
        ("protocols", "limit", "kept"),
        [
            ((Protocol.OUTLINE,), 7, True),
            ((Protocol.OUTLINE,), None, False),
            ((Protocol.V2RAY,), 7, False),
            ((Protocol.OUTLINE, Protocol.V2RAY), 7, False),
        ],
    )
    def test_a_limit_is_kept_where_every_server_keeps_it(
        self,
        protocols: tuple[Protocol, ...],
        limit: int | None,
        kept: bool,  # noqa: FBT001
    ) -> None:
        assert Terms(name="Month", days=30, protocols=protocols, traffic_limit=limit).limit_kept is kept

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", "x" * 65),
            ("name", "two\nlines"),
            ("days", 0),
            ("days", -1),
            ("days", 36501),
            ("traffic_limit", 0),
            ("traffic_limit", -1),
            ("traffic_limit", 2**53 + 1),
            ("device_limit", 0),
            ("device_limit", 1001),
            ("protocols", ()),
            ("protocols", (Protocol.OUTLINE, Protocol.OUTLINE)),
        ],
    )
    def test_terms_that_nobody_can_fulfil_are_refused(self, field: str, value: object) -> None:
        given: dict[str, Any] = {"name": "Month", "days": 30, field: value}
        with pytest.raises(InvalidInput) as refusal:
            Terms(**given)
        assert refusal.value.field == field

    def test_the_edges_are_fine(self) -> None:
        assert Terms(name="x", days=1, traffic_limit=1, device_limit=1).days == 1
        assert Terms(name="x" * 64, days=36500, traffic_limit=2**53, device_limit=1000).days == 36500


class TestTariff:
    @pytest.mark.parametrize("prices", [{"USD": 0}, {"USD": -1}, {"usd": 1}, {"USD": 1.5}, {"USD": 10**16}, {}])
    def test_a_price_is_more_than_nothing(self, prices: dict[str, int]) -> None:
        with pytest.raises(InvalidInput):
            a_tariff(prices=prices)

    def test_the_price_is_money_in_the_asked_currency(self) -> None:
        tariff = a_tariff(prices={"USD": 499, "JPY": 700})
        assert tariff.price("JPY") == Money(amount=700, currency="JPY")

    def test_another_currency_is_refused(self) -> None:
        with pytest.raises(TariffUnavailable):
            a_tariff().price("EUR")

    def test_a_trial_needs_no_price_and_is_not_for_sale(self) -> None:
        trial = a_tariff(trial=True, prices={})
        assert not trial.for_sale
        with pytest.raises(TariffUnavailable):
            a_tariff(trial=True).price("USD")

    def test_an_archived_tariff_is_not_for_sale(self) -> None:
        archived = a_tariff().archive(NOW)
        assert not archived.for_sale
        assert archived.archive(NOW + SECOND) == archived
        with pytest.raises(TariffUnavailable):
            archived.price("USD")
