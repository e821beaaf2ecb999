"""Desk: who came, what they want, and who shows it; the table that all routing is."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import structlog

from veilbot_core.application import Application
from veilbot_core.domain.errors import InvalidInput, PortError, Refused, VeilbotError
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.user import Language, User
from veilbot_core.ports.limiter import Limiter
from veilbot_runners.bot.cabinet import Cabinet
from veilbot_runners.bot.data import unpack
from veilbot_runners.bot.errors import sentence
from veilbot_runners.bot.guide import Guide, menu
from veilbot_runners.bot.screens import Screen, goto
from veilbot_runners.bot.shop import Shop
from veilbot_runners.bot.words import Visit, Words

_LOG = structlog.get_logger(__name__)
Step = Callable[[Visit], Awaitable[Screen]]
_OFTEN = (20, 10.0)  # steps per seconds, for one customer
_BUYING = (5, 60.0)


class Tap(NamedTuple):
    """What a button leads to, how many ids it carries, whether a choice follows, and whether a payment is opened."""

    step: Step
    ids: int = 0
    choice: bool = False
    buys: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A Telegram account, as an update shows it."""

    id: int
    first_name: str
    full_name: str
    language_code: str | None


class Desk:
    """Serves one step of one customer and always has an answer."""

    def __init__(
        self,
        application: Application,
        words: Words,
        *,
        draw: Callable[[str], bytes],
        provider: Provider,
        support: str,
    ) -> None:
        self._app = application
        self._words = words
        guide = Guide(users=application.users, support=support)
        shop = Shop(
            catalog=application.catalog,
            checkout=application.checkout,
            subscriptions=application.subscriptions,
            policy=application.policy,
            provider=provider,
        )
        cabinet = Cabinet(subscriptions=application.subscriptions, draw=draw)
        self._hint = guide.hint
        own = {cabinet.keys, cabinet.holding, cabinet.qr}
        self._paid_for = own | {guide.help, guide.device, guide.language, self._speak}
        self._taps: Mapping[str, Tap] = {
            "m": Tap(guide.start),
            "t": Tap(shop.buy),
            "n": Tap(shop.another),
            "b": Tap(shop.choose, ids=1, buys=True),
            "c": Tap(shop.pay, ids=1, choice=True, buys=True),
            "e": Tap(shop.renew, ids=1),
            "p": Tap(shop.pay_renewal, ids=2, buys=True),
            "o": Tap(shop.check, ids=1),
            "k": Tap(cabinet.keys),
            "s": Tap(cabinet.holding, ids=1),
            "q": Tap(cabinet.qr, ids=1),
            "x": Tap(cabinet.ask_rotate, ids=1),
            "y": Tap(cabinet.rotate, ids=1),
            "h": Tap(guide.help),
            "i": Tap(guide.device, choice=True),
            "l": Tap(guide.language),
            "g": Tap(self._speak, choice=True),
        }
        self._guide = guide
        about = {"help": guide.help, "language": guide.language}
        commands: dict[str, Step] = {"buy": shop.buy, "keys": cabinet.keys, **about}
        self._said: dict[str, Step] = {"/start": guide.start} | {f"/{name}": step for name, step in commands.items()}
        for language in Language:
            self._said |= {_plain(words(language, f"button-{name}")): step for name, step in commands.items()}

    async def said(self, person: Person, text: str) -> Screen | None:
        """Answer a message; None where there is nothing to say (again)."""
        step = self._said.get(_plain(text), self._hint)
        visit = await self._arrive(person)
        wait = await self._too_often(visit.user)
        if wait and await _count(self._app.own_limiter, f"bot:slow:{visit.user.id}", 1, _OFTEN[1]):
            return None
        if wait:
            return Screen(text=visit.say("slow-down", n=wait), rows=menu(visit))
        return await self._serve(visit, step)

    async def tapped(self, person: Person, data: str) -> Screen:
        """Answer a tap on a button, of whatever age and origin."""
        visit = await self._arrive(person)
        wait = await self._too_often(visit.user)
        if wait:
            return Screen(toast=visit.say("slow-down", n=wait))
        tap = self._taps.get(data[:1])
        carried = unpack(data, tap.ids) if tap is not None else None
        if tap is None or carried is None or tap.choice != bool(carried[1]):
            return Screen(text=visit.say("stale"), rows=menu(visit))
        if tap.buys:
            wait = await _count(self._app.limiter, f"bot:buy:{visit.user.id}", *_BUYING)
            if wait:
                return Screen(toast=visit.say("slow-down", n=wait))
        return await self._serve(replace(visit, ids=carried[0], choice=carried[1]), tap.step)

    async def back_again(self, person: Person) -> None:
        """Remember that messages arrive again: the customer unblocked the bot."""
        await self._arrive(person)

    def sorry(self, person: Person, reference: str) -> Screen:
        """Apologise for what nobody foresaw."""
        language = Language.of(person.language_code)
        return Screen(text=self._words(language, "unexpected", reference=reference))

    def no_invoice(self, person: Person) -> str:
        """Say that an invoice inside Telegram cannot be paid."""
        return self._words(Language.of(person.language_code), "no-invoice")

    async def _arrive(self, person: Person) -> Visit:
        user = await self._app.users.arrive(person.id, person.full_name, person.language_code)
        structlog.contextvars.bind_contextvars(user=str(user.id))  # each update has a context of its own
        return Visit(user=user, name=person.first_name, now=self._app.clock.now(), words=self._words)

    async def _too_often(self, user: User) -> int:
        """Return for how many seconds this customer should pause; each bot guards itself, so that nobody is asked."""
        return await _count(self._app.own_limiter, f"bot:{user.id}", *_OFTEN)

    async def _serve(self, visit: Visit, step: Step) -> Screen:
        """Take the step, or say in one sentence why not, with a way on."""
        if visit.user.blocked_at is not None and step not in self._paid_for:  # that stays
            return Screen(text=visit.say("blocked"), rows=((goto(visit.say("button-keys"), "k"),),))
        try:
            return await step(visit)
        except VeilbotError as error:
            level = _LOG.info if isinstance(error, Refused) else _LOG.warning
            level("step refused", step=step.__name__, user_id=str(visit.user.id), code=error.code, error=str(error))
            return Screen(text=visit.say(sentence(error)), rows=menu(visit))

    async def _speak(self, visit: Visit) -> Screen:
        """Change the language and begin anew in it."""
        if visit.choice not in {language.value for language in Language}:
            raise InvalidInput("no such language", field="language")
        user = await self._app.users.speak(visit.user.id, Language(visit.choice))
        return await self._guide.start(replace(visit, user=user))


def _plain(text: str) -> str:
    """Return what a text asks for: a command without its bot and arguments, or a button's words without its picture."""
    words = text.strip()[:64].lower()
    if words.startswith("/"):
        return words.split(maxsplit=1)[0].partition("@")[0]
    return "".join(letter for letter in words if letter.isalnum() or letter == " ").strip()


async def _count(limiter: Limiter, name: str, limit: int, seconds: float) -> int:
    """Count one; return how long to wait, in seconds. Nobody is kept waiting because nobody can count."""
    try:
        verdict = await limiter.hit(name, limit, seconds)
    except PortError:
        return 0
    return 0 if verdict.allowed else max(1, round(verdict.retry_after + 0.5))
