"""Letters: what each notice says, and the buttons under it.

The buttons carry what the bot understands: a letter for the screen, then the id of the thing in base64url.
"""

import re
from base64 import urlsafe_b64encode
from html import unescape
from typing import Any

from veilbot_adapters.telegram.texts import Html, Texts
from veilbot_core.domain.user import Language
from veilbot_core.ports.notifier import Access, Message, Notice

_CAPTION = 1024  # https://core.telegram.org/bots/api#sendphoto, in UTF-16 units after the markup is read
_TEXT = 4096
_PLAIN = {
    Notice.PAID: "paid",
    Notice.HELD: "held",
    Notice.REFUNDED: "refunded",
    Notice.ENDED: "ended",
}
"""Notices that name the tariff and nothing else."""
_SHADOWSOCKS, _XCHACHA = "ss://", "ss://eGNoYWNoYTIw"
"""How keys begin: the Outline app takes the first, but not with the cipher (base64 of its name) of the second."""
_TAG = re.compile(r"<[^>]*>")


def write(texts: Texts, message: Message) -> Html:
    """Return the text of a notice."""
    language, tariff = message.language, message.tariff
    until = texts.moment(language, message.ends_at) if message.ends_at else texts(language, "forever")
    match message.notice:
        case Notice.READY:
            return Html("\n\n".join([_ready(texts, message), _link(texts, message)]))
        case Notice.RENEWED:
            return texts(language, "renewed", tariff=tariff, until=_until(texts, message))
        case Notice.PAID | Notice.HELD | Notice.REFUNDED | Notice.ENDED:
            return texts(language, _PLAIN[message.notice], tariff=tariff)
        case Notice.MOVED:
            return _moved(texts, message)
        case Notice.EXTRA | Notice.REFUND_FAILED:
            name = "extra" if message.notice is Notice.EXTRA else "refund-failed"
            return texts(language, name, tariff=tariff, money=_money(texts, message))
        case Notice.EXPIRING:
            stage = message.reminder if message.reminder in {"3d", "1d", "1h"} else "3d"
            return texts(language, f"expiring-{stage}", tariff=tariff, until=until)


def ready(texts: Texts, message: Message) -> tuple[Html, list[Html]]:
    """Return what stands under the picture of the first key, and the messages that follow it."""
    language = message.language
    head, link = _ready(texts, message), _link(texts, message)
    first = _keys(texts, language, texts(language, "keys-label"), message.keys[:1])
    more = message.keys[1:]
    rest = _keys(texts, language, texts(language, "ready-more", n=len(more)), more) if more else []
    following = "ready-next" if any(_for_outline(key) for key in message.keys[:1]) else "ready-next-hiddify"
    what_next = texts(language, following)
    caption = Html("\n\n".join([head, *first, link, what_next]))
    if length(caption) <= _CAPTION:
        return caption, pack(rest)
    return head, pack([*first, link, what_next, *rest])


def _for_outline(key: Access) -> bool:
    """Say whether the Outline app takes a key; Hiddify takes all of them."""
    return key.url.startswith(_SHADOWSOCKS) and not key.url.startswith(_XCHACHA)


def buttons(texts: Texts, message: Message) -> dict[str, Any] | None:
    """Return the keyboard under a notice."""
    language = message.language
    keys = {"text": texts(language, "button-keys"), "callback_data": "k"}
    match message.notice:
        case Notice.READY | Notice.MOVED:
            return _rows([keys], [{"text": texts(language, "button-connect"), "callback_data": "h"}])
        case Notice.EXPIRING | Notice.ENDED if message.subscription_id is not None:
            data = "e" + urlsafe_b64encode(message.subscription_id.bytes).rstrip(b"=").decode()
            return _rows([{"text": texts(language, "button-renew"), "callback_data": data}])
        case Notice.RENEWED:
            return _rows([keys])
        case _:
            return None


def length(text: str) -> int:
    """Count as Telegram does: UTF-16 units of what is left when the markup is read."""
    return len(unescape(_TAG.sub("", text)).encode("utf-16-le")) // 2


def pack(parts: list[Html]) -> list[Html]:
    """Put paragraphs together into as few messages as they fit into."""
    messages: list[Html] = []
    for part in parts:
        joined = Html(f"{messages[-1]}\n\n{part}") if messages else part
        if messages and length(joined) <= _TEXT:
            messages[-1] = joined
        else:
            messages.append(part)
    return messages


def _ready(texts: Texts, message: Message) -> Html:
    return texts(message.language, "ready", tariff=message.tariff, until=_until(texts, message))


def _moved(texts: Texts, message: Message) -> Html:
    head = texts(message.language, "moved", tariff=message.tariff)
    keys = _keys(texts, message.language, texts(message.language, "keys-label"), message.keys)
    return Html("\n\n".join([head, *keys, _link(texts, message)]))


def _until(texts: Texts, message: Message) -> Html:
    if message.ends_at is None:
        return texts(message.language, "forever")
    return texts(message.language, "ready-until", until=texts.moment(message.language, message.ends_at))


def _money(texts: Texts, message: Message) -> Html:
    if message.money is None or not message.money.amount:
        return texts(message.language, "some-money")
    return Texts.safe(texts.money(message.language, message.money))


def _link(texts: Texts, message: Message) -> Html:
    return texts(message.language, "link-label", link=message.link)


def _keys(texts: Texts, language: Language, label: Html, keys: tuple[Access, ...]) -> list[Html]:
    """Return one paragraph per key, the first one with the label."""
    paragraphs = [
        texts(language, "key", where=f"{texts.country(language, key.country)} · {key.name}", url=key.url)
        for key in keys
    ]
    return [Html(f"{label}\n{paragraphs[0]}"), *paragraphs[1:]] if paragraphs else []


def _where(texts: Texts, language: Language, key: Access) -> str:
    return f"{texts.country(language, key.country)} · {key.name}"


def _rows(*rows: list[dict[str, str]]) -> dict[str, Any]:
    return {"inline_keyboard": list(rows)}
