"""What needs no RabbitMQ to be shown: addresses, the document, and the form of messages. The rest: tests/peers."""

import json
from pathlib import Path

import pytest

from veilbot_adapters.rabbitmq import RabbitConnection
from veilbot_adapters.rabbitmq.bus import written
from veilbot_adapters.rabbitmq.document import MEANINGS, Fact, document
from veilbot_adapters.system import SystemClock
from veilbot_adapters.testing.bus import facts
from veilbot_core.domain.errors import InvalidInput, Unavailable
from veilbot_core.domain.events import EventType

DOCS = Path(__file__).resolve().parents[2] / "docs"


class TestDocument:
    def test_it_tells_of_every_fact(self) -> None:
        found = document("1.2.3")
        assert found["asyncapi"] == "3.0.0"
        assert found["info"]["version"] == "1.2.3"
        addresses = [channel["address"] for channel in found["channels"].values()]
        assert addresses == sorted(EventType) == sorted(MEANINGS)
        exchanges = [channel["bindings"]["amqp"]["exchange"] for channel in found["channels"].values()]
        assert {(exchange["name"], exchange["type"], exchange["durable"]) for exchange in exchanges} == {
            ("veilbot.events", "topic", True)
        }

    def test_it_names_no_address_of_anybody(self) -> None:
        assert [server["host"] for server in document("1")["servers"].values()] == ["broker:5672"]

    def test_a_fact_is_what_the_document_says(self) -> None:
        (event,) = facts(1)
        body = written(event)
        assert Fact.model_validate_json(body, strict=True).id == event.id
        assert set(json.loads(body)) == set(Fact.model_fields)

    def test_the_page_tells_of_every_fact_in_the_same_words(self) -> None:
        page = (DOCS / "events.md").read_text(encoding="utf-8")
        for kind, meaning in MEANINGS.items():
            assert f"| `{kind}` | {meaning} |" in page


class TestConnection:
    @pytest.mark.parametrize(
        "url", ["", "hunter2", "http://hunter2", "amqp://", "amqp://hunter2:x/", "amqp://[hunter2"]
    )
    def test_what_is_no_address_is_refused_and_not_repeated(self, url: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            RabbitConnection(url, SystemClock())
        assert "hunter2" not in str(caught.value)

    async def test_one_that_is_not_open_refuses_at_once(self) -> None:
        connection = RabbitConnection("amqp://127.0.0.1:9/", SystemClock())
        with pytest.raises(Unavailable):
            await connection.call(lambda broker: broker.ping(1))
