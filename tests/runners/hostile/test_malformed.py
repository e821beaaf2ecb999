"""Malformed updates over real HTTP: none breaks anything, none is written down, and whoever comes next is served."""

import itertools
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.runners.hostile.conftest import TELEGRAM, Shop
from tests.runners.hostile.malformed import malformed, taps
from tests.runners.hostile.test_telegram import HEADER, URL
from tests.runners.hostile.updates import MESSAGE, spoken_by

HONEST = json.dumps({"update_id": 0, "message": MESSAGE}).encode()
_NUMBERS = itertools.count(10**7)


async def send(shop: Shop, body: bytes, sender: int) -> Any:
    """Send what one customer is made to say; return the answer, which is none of a fault of ours."""
    mine = spoken_by(sender, body).replace(b'"update_id": 0,', b'"update_id": %d,' % next(_NUMBERS), 1)
    answer = await shop.post(URL, mine, {HEADER: TELEGRAM})
    assert answer.status_code in {200, 400, 413}, (mine[:300], answer.text)
    said = answer.json()
    assert "went wrong on our side" not in str(said), mine[:300]
    return said


async def check(shop: Shop, bodies: Mapping[str, bytes]) -> Counter[str]:
    """Send each as a customer of its own, who then writes honestly; count what is said to the malformed ones."""
    people, heard = iter(await shop.customers(len(bodies))), Counter[str]()
    for names in _batched(list(bodies), 25):
        before = shop.rows()
        for name in names:
            person = next(people)
            said = await send(shop, bodies[name], person)
            heard[said.get("code") or said.get("method") or "nothing"] += 1
            honest = await send(shop, HONEST, person)
            assert (honest.get("method"), honest.get("chat_id")) == ("sendMessage", person), name
        assert shop.rows() == before, names
    return heard


def _batched(names: list[str], size: int) -> list[list[str]]:
    return [names[start : start + size] for start in range(0, len(names), size)]


async def test_malformed_updates(shop: Shop) -> None:
    bodies = malformed()
    assert len(bodies) > 500
    heard = await check(shop, bodies)
    assert set(heard) <= {
        "invalid_input",
        "too_large",
        "nothing",
        "sendMessage",
        "answerCallbackQuery",
        "answerPreCheckoutQuery",
        "editMessageText",
    }
    assert heard["invalid_input"] > 50
    assert heard["too_large"] == 2


async def test_taps_on_what_is_no_button(shop: Shop) -> None:
    bodies = taps()
    assert len(bodies) > 400
    heard = await check(shop, bodies)
    assert heard == {"editMessageText": len(bodies)}, "each is told that the button is old"
