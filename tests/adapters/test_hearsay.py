"""What a foreign system said is repeated without what it quotes."""

import pytest

from veilbot_adapters.hearsay import repeat

TOKEN = "Zm9vYmFyYmF6cXV4MTIzNA"


@pytest.mark.parametrize(
    "text",
    [
        "Bad Request: message is not modified",
        "Bad Request: BUTTON_URL_INVALID",
        "Too Many Requests: retry after 7",
        "app/proxyman/command: not a UserManager",
    ],
)
def test_plain_words_stay(text: str) -> None:
    assert repeat(text) == text


@pytest.mark.parametrize(
    "secret",
    [
        f"https://shop.example/s/{TOKEN}",
        "ss://Y2hhY2hh@203.0.113.1:443",
        TOKEN,
        f"'{TOKEN}'",
        "7212345678:AAHk9d8s7f6g5h4j3k2l1m0n9b8v7c6x5z4",
        "11111111-2222-5333-8444-555555555555",
        "somebody@veilbot",
        "S3cr3tPassw0rd",
        "AbcDefGhiJklMnoPqrStuVwx",
        "c0ffee" * 11,
        "x" * 41,
        "пароль-и-ещё-раз-пароль",
    ],
)
def test_what_may_be_a_secret_is_left_out(secret: str) -> None:
    said = repeat(f"inline keyboard button URL {secret} is invalid")
    assert said == "inline keyboard button URL ... is invalid"


def test_control_characters_are_spelt_out() -> None:
    assert repeat("a \x1b[2J b\0") == "a \\x1b[2J b\\x00"
