"""What notices say."""

from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from veilbot_adapters.telegram import Texts, alerts, letters
from veilbot_core.domain.user import Language
from veilbot_core.ports.notifier import About, Access, Alert, Message, Notice

TEXTS = Texts()
KEY = Access(name="Amsterdam", country="NL", url="ss://secret@host:1/#A&B")
XCHACHA = "ss://" + urlsafe_b64encode(b"xchacha20-ietf-poly1305:secret").decode() + "@host:443"
"""A key that Outline does not take, though it begins like its own."""
READY = Message(
    notice=Notice.READY,
    language=Language.EN,
    tariff="Month",
    ends_at=datetime(2026, 12, 1, tzinfo=UTC),
    link="https://veil.example/s/token",
    keys=(KEY,),
    subscription_id=UUID(int=5),
)


def test_one_key_fits_under_its_picture() -> None:
    caption, rest = letters.ready(TEXTS, READY)
    assert "<code>ss://secret@host:1/#A&amp;B</code>" in caption
    assert "https://veil.example/s/token" in caption
    assert "1 December 2026, 00:00 UTC" in caption
    assert rest == []


def test_a_long_key_follows_as_text() -> None:
    long = replace(KEY, url="vless://" + "x" * 900)
    caption, rest = letters.ready(TEXTS, replace(READY, keys=(long, KEY)))
    assert "vless" not in caption
    assert letters.length(caption) <= 1024
    (text,) = rest
    assert long.url in text
    assert "And one more key of yours" in text


@pytest.mark.parametrize("key", ["vless://" + "x" * 900, "vmess://abc", "trojan://secret@host:443", XCHACHA])
def test_what_to_do_with_a_key_is_said_for_the_app_that_takes_it(key: str) -> None:
    for keys, app, other in (((replace(KEY, url=key),), "Hiddify", "Outline"), ((KEY,), "Outline", "Hiddify")):
        caption, rest = letters.ready(TEXTS, replace(READY, keys=keys))
        said = "\n".join([caption, *rest])
        assert app in said
        assert other not in said


def test_many_keys_become_as_few_messages_as_they_fit_into() -> None:
    many = tuple(replace(KEY, url=f"vless://{number}" + "x" * 500) for number in range(30))
    caption, rest = letters.ready(TEXTS, replace(READY, keys=many))
    assert all(letters.length(text) <= 4096 for text in rest)
    assert len(rest) == 5
    assert all(any(key.url in text for text in (caption, *rest)) for key in many)


def test_no_end_is_said_in_words() -> None:
    assert "no end date" in letters.write(TEXTS, replace(READY, notice=Notice.RENEWED, ends_at=None))


@pytest.mark.parametrize("reminder", ["3d", "1d", "1h", "later"])
def test_reminders_have_a_button_that_renews(reminder: str) -> None:
    message = replace(READY, notice=Notice.EXPIRING, reminder=reminder)
    assert "1 December 2026" in letters.write(TEXTS, message)
    markup = letters.buttons(TEXTS, message)
    assert markup is not None
    assert markup["inline_keyboard"][0][0]["callback_data"] == "eAAAAAAAAAAAAAAAAAAAABQ"


def test_an_alert_without_a_text_of_its_own_names_its_code() -> None:
    text = alerts.write(
        TEXTS, Language.EN, Alert(code="moon.fell", subject=UUID(int=1), about=About(reason="a <detail>"))
    )
    assert "moon.fell" in text
    assert "a &lt;detail&gt;" in text
