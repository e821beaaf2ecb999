"""Words of the customer's pages, in every language."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from veilbot_core.domain.user import Language

_EN = {
    "title": "Your VPN",
    "until": "Works until",
    "forever": "Works without an end",
    "grace": "Ended. The keys still work until",
    "frozen": "Paused: the payment is disputed. Write to support.",
    "traffic": "Traffic",
    "of": "of",
    "unlimited": "unlimited",
    "unused": "nothing used yet",
    "devices": "Devices",
    "keys": "Your keys",
    "key": "Key",
    "copy": "Copy",
    "copied": "Copied",
    "open": "Open in app",
    "scan": "Or scan it with another device",
    "one": "All keys in one link",
    "one_why": "For apps that read subscriptions: add it once, and they find your keys by themselves, new ones too.",
    "mirrors": "The same link at other addresses, if this one does not open",
    "ssconf": "Key for Outline that keeps itself up to date",
    "coming": "A key is on its way. Open this page again in a minute.",
    "none": "There is no key here now.",
    "ended_why": "Renew it in the bot, and this key works again.",
    "none_title": "No key for this app",
    "none_why": "Your keys are for other apps: open your subscription link in a browser to see them.",
    "coming_title": "Your key is on its way",
    "coming_why": "Connect again in a minute.",
    "frozen_title": "Your subscription is paused",
    "frozen_why": "A payment is disputed. Write to support.",
    "spent_title": "Your traffic is used up",
    "spent_why": "The server counts the last 30 days, so it comes back day by day. A larger plan helps at once.",
    "how": "How to connect",
    "install": "Install the app {app} ({where}).",
    "paste": "Press “Copy” above and open {app}: it finds the key by itself, or press “+” and paste.",
    "connect": "Press “Connect” and allow the VPN connection.",
    "secret": "This page is yours alone: whoever has its address can use your VPN.",
    "support": "Help",
    "gone_title": "This link does not work",
    "gone": "Check that you opened all of it. If you asked for a new link, the old one is dead: take the new one from "
    "the bot, under “My keys”.",
    "ended_title": "This subscription has ended",
    "ended": "Renew it in the bot, and the same link works again.",
    "paid_title": "Thank you!",
    "paid": "The payment is being confirmed. Your key comes in the chat with the bot within a minute; "
    "you can close this page.",
    "canceled_title": "Nothing was paid",
    "canceled": "You left the payment page. Go back to the bot and begin again whenever you like.",
}
_RU = {
    "title": "Ваш VPN",
    "until": "Работает до",
    "forever": "Работает бессрочно",
    "grace": "Срок закончился. Ключи ещё работают до",
    "frozen": "Приостановлено: платёж оспаривается. Напишите в поддержку.",
    "traffic": "Трафик",
    "of": "из",
    "unlimited": "без ограничений",
    "unused": "пока ничего не потрачено",
    "devices": "Устройств",
    "keys": "Ваши ключи",
    "key": "Ключ",
    "copy": "Скопировать",
    "copied": "Скопировано",
    "open": "Открыть в приложении",
    "scan": "Или отсканируйте другим устройством",
    "one": "Все ключи по одной ссылке",
    "one_why": "Для приложений с подписками: добавьте её один раз, и ключи, в том числе новые, появятся сами.",
    "mirrors": "Та же ссылка по другим адресам, если этот не открывается",
    "ssconf": "Ключ для Outline, который обновляется сам",
    "coming": "Ключ уже готовится. Откройте эту страницу снова через минуту.",
    "none": "Сейчас ключей здесь нет.",
    "ended_why": "Продлите её в боте, и этот же ключ снова заработает.",
    "none_title": "Для этого приложения ключа нет",
    "none_why": "Ваши ключи для других приложений: откройте ссылку подписки в браузере, чтобы увидеть их.",
    "coming_title": "Ключ уже готовится",
    "coming_why": "Подключитесь снова через минуту.",
    "frozen_title": "Подписка приостановлена",
    "frozen_why": "Платёж оспаривается. Напишите в поддержку.",
    "spent_title": "Трафик закончился",
    "spent_why": "Сервер считает последние 30 дней, поэтому трафик вернётся постепенно. Тариф побольше поможет сразу.",
    "how": "Как подключиться",
    "install": "Установите приложение {app} ({where}).",
    "paste": "Нажмите «Скопировать» выше и откройте {app}: он сам найдёт ключ, или нажмите «+» и вставьте его.",
    "connect": "Нажмите «Подключить» и разрешите VPN-соединение.",
    "secret": "Эта страница только ваша: любой, у кого есть её адрес, сможет пользоваться вашим VPN.",
    "support": "Помощь",
    "gone_title": "Эта ссылка не работает",
    "gone": "Проверьте, что открыли её целиком. Если вы запросили новую ссылку, старая больше не действует: возьмите "
    "новую в боте, в разделе «Мои ключи».",
    "ended_title": "Подписка закончилась",
    "ended": "Продлите её в боте, и эта же ссылка снова заработает.",
    "paid_title": "Спасибо!",
    "paid": "Платёж подтверждается. Ключ придёт в чат с ботом в течение минуты; эту страницу можно закрыть.",
    "canceled_title": "Ничего не оплачено",
    "canceled": "Вы покинули страницу оплаты. Вернитесь в бот и начните снова, когда захотите.",
}
WORDS: Mapping[Language, Mapping[str, str]] = MappingProxyType({Language.EN: _EN, Language.RU: _RU})

_MONTHS = {
    Language.EN: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    Language.RU: [
        "января",
        "февраля",
        "марта",
        "апреля",
        "мая",
        "июня",
        "июля",
        "августа",
        "сентября",
        "октября",
        "ноября",
        "декабря",
    ],
}
_UNITS = {Language.EN: ("MB", "GB"), Language.RU: ("МБ", "ГБ")}
_MEGA, _GIGA = 10**6, 10**9


def language(accept: str) -> Language:
    """Return the language that an ``Accept-Language`` header likes best (RFC 9110, section 12.5.4)."""
    liked = []
    for place, part in enumerate(accept.split(",")[:20]):
        tag, _, weight = part.strip().partition(";q=")
        try:
            liked.append((-float(weight or 1), place, tag))
        except ValueError:
            continue
    return Language.of(min(liked)[2] if liked else None)


def date(at: datetime, tongue: Language) -> str:
    """Return a moment as people write it."""
    return f"{at.day} {_MONTHS[tongue][at.month - 1]} {at.year}, {at:%H:%M}\u00a0UTC"


def size(count: int, tongue: Language) -> str:
    """Return bytes as people count them; a gigabyte is 10**9, as in the tariffs."""
    mega, giga = _UNITS[tongue]
    text = f"{count / _GIGA:.1f}".removesuffix(".0") + f" {giga}" if count >= _GIGA else f"{count // _MEGA} {mega}"
    return text.replace(".", ",") if tongue is Language.RU else text
