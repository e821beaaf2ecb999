"""Bot: updates in, screens out, by polling or by webhook."""

import asyncio
import hmac
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from veilbot_core.application import Application
from veilbot_core.domain.errors import InvalidInput, Rejected, Unauthorized, Unavailable
from veilbot_core.domain.payment import Provider
from veilbot_runners.bot import lean, screens
from veilbot_runners.bot.desk import Desk, Person
from veilbot_runners.bot.lanes import Lanes, LocalLanes, SharedLanes
from veilbot_runners.bot.polling import Poller
from veilbot_runners.bot.presence import Webhook, announce
from veilbot_runners.bot.screens import Call, Screen
from veilbot_runners.bot.shop import billed
from veilbot_runners.bot.wire import Bills, Wire
from veilbot_runners.bot.words import Words

lean.load()  # before anything else imports aiogram
from aiogram import Bot, Dispatcher  # noqa: E402
from aiogram.client.session.aiohttp import AiohttpSession  # noqa: E402
from aiogram.client.telegram import PRODUCTION, TelegramAPIServer  # noqa: E402
from aiogram.types import CallbackQuery, ChatMemberUpdated, Message, PreCheckoutQuery, Update, User  # noqa: E402
from aiogram.utils.token import TokenValidationError  # noqa: E402
from pydantic import ValidationError  # noqa: E402

_LOG = structlog.get_logger(__name__)
logging.getLogger("aiogram.event").setLevel(logging.WARNING)  # it writes a line for each update
_IDS = 1 << 52  # beyond every account: "at most 52 significant bits" (core.telegram.org/bots/api#user)
_LONGEST = 25.0  # seconds for one update; Telegram waits 60 for a webhook
_CHECKOUT = 2.0  # seconds for a pre-checkout query; Telegram waits 10 (core.telegram.org/bots/api#precheckoutquery)
Calls = Sequence[Call]
Raw = Mapping[str, Any]


class TelegramBot:
    """The customer's side of the shop; every decision is made by the application's services."""

    def __init__(  # noqa: PLR0913 - one parameter per thing that the container chose
        self,
        application: Application,
        token: str,
        *,
        wire: Wire,
        texts: Words,
        draw: Callable[[str], bytes],
        bills: Bills,
        api_base: str | None = None,
        webhook: Webhook | None = None,
        support: str = "",
    ) -> None:
        self._application = application
        self._texts = texts
        self._webhook = webhook
        self._clock = application.clock
        self._wire = wire
        self._bills = bills
        self._desk = Desk(application, texts, draw=draw, provider=Provider.STRIPE, support=support)
        self._lanes: Lanes = LocalLanes()
        if webhook is not None and webhook.several:
            self._lanes = SharedLanes(application.storage, application.clock, application.ids)
        server = TelegramAPIServer.from_base(api_base) if api_base else PRODUCTION
        try:
            self.bot = Bot(token, session=AiohttpSession(api=server))
        except TokenValidationError:
            raise InvalidInput("VEILBOT_TELEGRAM__TOKEN is not what @BotFather gives: 123456:ABC...") from None
        self.dispatcher = Dispatcher(disable_fsm=True)
        self.dispatcher.message.register(self._on_message)
        self.dispatcher.callback_query.register(self._on_tap)
        self.dispatcher.my_chat_member.register(self._on_membership)

    async def announce(self, stop: asyncio.Event) -> None:
        """Tell Telegram how it reaches the bot, and the commands, before ``stop`` is set. Raises Rejected."""
        await announce(self._wire, self._texts, self._clock, self._webhook, stop)

    async def poll(self, stop: asyncio.Event, *, drain: float = 20.0) -> None:
        """Serve by polling until ``stop`` is set and what has begun is done. Raises Rejected for a wrong token."""
        await self.announce(stop)

        async def handle(update: Raw) -> None:
            await self._handle(update, inline=False)

        await Poller(self._wire, handle, self._clock, drain=drain).run(stop)

    async def feed(self, body: bytes, secret_header: str | None) -> dict[str, Any] | None:
        """Serve one webhook request; return the call that its answer carries, if there is one.

        When this returns, the update is handled and what it changed is committed.

        Raises:
            Unauthorized: the secret is not the webhook's.
            InvalidInput: the body is no update.
            Unavailable: it cannot be answered now and must come again.
        """
        if self._webhook is None or not hmac.compare_digest(
            self._webhook.secret.encode(), (secret_header or "").encode("utf-8", "replace")
        ):
            raise Unauthorized("this is not Telegram")
        try:
            update = json.loads(body)
        except (ValueError, RecursionError):
            raise InvalidInput("the body is no JSON", field="body") from None
        if not isinstance(update, dict) or type(update.get("update_id")) is not int:
            raise InvalidInput("the body is no update", field="update_id")
        reply = await self._handle(update, inline=True)
        return {"method": reply.method, **reply.payload} if reply is not None else None

    async def close(self) -> None:
        """Give the connections back."""
        await self.bot.session.close()

    async def _handle(self, raw: Raw, *, inline: bool) -> Call | None:
        """Serve one update, once; with ``inline`` the last call is returned instead of made."""
        update = self._read(raw)
        sender = _sender(update) if update is not None else None
        if update is None or sender is None:
            return None
        if update.pre_checkout_query is not None:  # it waits for nothing, also not for its customer's other updates
            return await self._refuse(update.pre_checkout_query, inline=inline)

        async def work() -> Call | None:
            calls = await self._answer(update, sender)
            last = calls[-1] if inline and calls and calls[-1].png is None else None
            await self._deliver(calls if last is None else calls[:-1])
            return last

        return await self._lanes.run(sender.id, update.update_id, work)

    def _read(self, raw: Raw) -> Update | None:
        """Read an update; one that nobody can read is left out, or it would come again for ever."""
        try:
            # without the bot the dispatcher would read it once more
            return Update.model_validate(_writable(raw), context={"bot": self.bot})
        except (ValidationError, RecursionError) as error:
            errors = error.error_count() if isinstance(error, ValidationError) else 1
            _LOG.warning("unreadable update", update_id=raw.get("update_id"), errors=errors)
            return None

    async def _answer(self, update: Update, user: User) -> Calls:
        """Let a handler answer; the edge that must survive whatever happens in one."""
        try:
            async with asyncio.timeout(_LONGEST):
                calls = await self.dispatcher.feed_update(self.bot, update)
        except Exception as error:  # noqa: BLE001 - one customer's trouble is nobody else's
            reference = self._application.ids.new().hex[-12:]
            _LOG.error("update failed", update_id=update.update_id, reference=reference, exc_info=error)
            sorry = screens.send(user.id, self._desk.sorry(_person(user), reference))
            query = update.callback_query
            return [screens.answer(query.id), *sorry] if query is not None else sorry
        return calls if isinstance(calls, list) else []

    async def _refuse(self, query: PreCheckoutQuery, *, inline: bool) -> Call | None:
        """Keep money from moving: the shop makes no invoices, so this one is of whatever ran under its token before."""
        call = screens.refuse(query.id, self._desk.no_invoice(_person(query.from_user)))
        if inline:
            return call
        await self._make(call, patience=_CHECKOUT)
        return None

    async def _on_message(self, message: Message) -> Calls:
        if message.from_user is None or message.chat.id != message.from_user.id:  # a private chat has its customer's id
            return []
        screen = await self._desk.said(_person(message.from_user), message.text or "")
        return screens.send(message.chat.id, screen) if screen is not None else []

    async def _on_tap(self, query: CallbackQuery) -> Calls:
        message = query.message
        if message is None or message.chat.id != query.from_user.id:
            return [screens.answer(query.id)]
        screen = await self._desk.tapped(_person(query.from_user), query.data or "")
        calls = [screens.answer(query.id, screen.toast)]
        if screen.text and isinstance(message, Message) and message.text is not None:
            calls.append(screens.edit(message.chat.id, message.message_id, screen))
            await self._note_bill(message, screen)
        elif screen.text or screen.pictures:
            calls.extend(screens.send(message.chat.id, screen))
        return calls

    async def _note_bill(self, message: Message, screen: Screen) -> None:
        """Remember which message asks for money; only one that did carries the button that asks whether it came."""
        keyboard = message.reply_markup.inline_keyboard if message.reply_markup else []
        asked = [billed(button.callback_data or "") for row in keyboard for button in row]
        for order_id in {order_id for order_id in asked if order_id not in {None, screen.bill}}:
            await self._bills.left(order_id)
        if screen.bill is not None:
            await self._bills.shown(screen.bill, message.message_id)

    async def _on_membership(self, change: ChatMemberUpdated) -> Calls:
        """A customer who shut the bot out is found out when a message does not arrive; one who returns, here."""
        mine = change.chat.type == "private" and change.chat.id == change.from_user.id
        if mine and change.new_chat_member.status == "member":
            await self._desk.back_again(_person(change.from_user))
        return []

    async def _deliver(self, calls: Calls) -> None:
        if len(calls) == 1:
            await self._make(calls[0])
        elif calls:
            await asyncio.gather(*(self._make(call) for call in calls))

    async def _make(self, call: Call, *, patience: float | None = None) -> None:
        """Make one call; what a customer misses by its failure, the next tap shows again."""
        try:
            if call.png is None:
                await self._wire.call(call.method, call.payload, patience=patience)
            else:
                await self._wire.upload(call.method, call.payload, "photo", call.png)
        except Rejected as error:
            if call.method == "editMessageText" and "not modified" not in str(error):
                payload = {name: value for name, value in call.payload.items() if name != "message_id"}
                await self._make(Call(method="sendMessage", payload=payload))
            else:
                _LOG.info("Telegram refuses", method=call.method, error=str(error))
        except Unavailable as error:
            _LOG.warning("an answer did not get through", method=call.method, error=str(error))


def _writable(raw: Raw) -> Raw:
    r"""Return an update whose texts can be sent and stored: JSON may hold half a character (``\ud800``), UTF-8 not.

    Raises RecursionError for what is nested too deeply.
    """
    text = json.dumps(raw, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        whole: dict[str, Any] = json.loads(text.encode("utf-8", "replace"))
        return whole
    return raw


def _sender(update: Update) -> User | None:
    event = update.message or update.callback_query or update.my_chat_member or update.pre_checkout_query
    user = event.from_user if event is not None else None
    return user if user is not None and 0 < user.id < _IDS else None


def _person(user: User) -> Person:
    return Person(id=user.id, first_name=user.first_name, full_name=user.full_name, language_code=user.language_code)
