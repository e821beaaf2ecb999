"""Notifier that reaches people through a Telegram bot."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from veilbot_adapters import qr
from veilbot_adapters.telegram import alerts, letters
from veilbot_adapters.telegram.bills import Bills
from veilbot_adapters.telegram.client import BotApi, Gone
from veilbot_adapters.telegram.texts import Texts
from veilbot_core.domain.errors import PortError, Rejected
from veilbot_core.domain.user import Language, User
from veilbot_core.ports.notifier import Alert, Delivery, Message, Notice, Notifier

_ARRIVED = {Notice.PAID, Notice.READY, Notice.RENEWED, Notice.HELD}
"""What is told when money for an order came."""
_PATIENCE = 3.0  # seconds for what is only tidying up
_LOG = logging.getLogger(__name__)


class TelegramNotifier(Notifier):
    """Sends notices as messages of the bot, and a new key with its QR code.

    ``bills`` knows which messages still ask for the money that came. ``admin_ids`` hear of what needs a person, in
    ``admin_language``.
    """

    def __init__(
        self,
        api: BotApi,
        texts: Texts,
        *,
        bills: Bills | None = None,
        admin_ids: Sequence[int] = (),
        admin_language: Language = Language.EN,
    ) -> None:
        self._api = api
        self._texts = texts
        self._bills = bills
        self._admin_ids = tuple(admin_ids)
        self._admin_language = admin_language

    async def tell(self, user: User, message: Message) -> Delivery:
        """Tell a customer; a customer who cannot be reached is an answer, not an error.

        Raises:
            Unavailable: as the port says.
            Rejected: Telegram refuses the message itself; a person must look at it.
        """
        if user.telegram_id is None:
            return Delivery.UNREACHABLE
        try:
            if message.notice is Notice.READY and message.keys:
                await self._hand_over(user.telegram_id, message)
            else:
                letter = letters.write(self._texts, message)
                await self._write(user.telegram_id, letter, letters.buttons(self._texts, message))
        except Gone:
            return Delivery.UNREACHABLE
        await self._settle_bill(user.telegram_id, message)
        return Delivery.TOLD

    async def alert(self, alert: Alert) -> None:
        """Tell every operator; one who cannot be reached is passed over.

        Raises:
            Unavailable: somebody was not told because Telegram failed; all are told again.
        """
        text = alerts.write(self._texts, self._admin_language, alert)
        if not self._admin_ids:
            _LOG.warning("no operator to tell: %s %s", alert.code, alert.subject)
        trouble: PortError | None = None
        for admin_id in self._admin_ids:
            try:
                await self._write(admin_id, text, None)
            except Rejected as error:
                _LOG.warning("operator %s cannot be told of %s %s: %s", admin_id, alert.code, alert.subject, error)
            except PortError as error:
                trouble = error
        if trouble is not None:
            raise trouble

    async def _settle_bill(self, chat_id: int, message: Message) -> None:
        """Let the message that asked for the money say that it came; nobody is told again because this fails."""
        if self._bills is None or message.order_id is None or message.notice not in _ARRIVED:
            return
        with suppress(PortError):
            message_id = await self._bills.take(message.order_id)
            if message_id is not None:
                text = self._texts(message.language, "bill-paid", tariff=message.tariff)
                about = {"chat_id": chat_id, "message_id": message_id, "text": text, "parse_mode": "HTML"}
                await self._api.call("editMessageText", about, patience=_PATIENCE)

    async def _hand_over(self, chat_id: int, message: Message) -> None:
        """Send the first key as picture and text, and what does not fit under a picture as text."""
        caption, rest = letters.ready(self._texts, message)
        fields = {
            "chat_id": str(chat_id),
            "caption": caption,
            "parse_mode": "HTML",
            "reply_markup": letters.buttons(self._texts, message),
        }
        await self._api.upload("sendPhoto", fields, "photo", qr.png(message.keys[0].url))
        for text in rest:
            await self._write(chat_id, text, None)

    async def _write(self, chat_id: int, text: str, markup: dict[str, Any] | None) -> None:
        payload: dict[str, Any] = {
            "chat_id": chat_id,
            "text": text,
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
        }
        if markup is not None:
            payload["reply_markup"] = markup
        await self._api.call("sendMessage", payload)
