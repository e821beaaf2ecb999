"""Chats: who talks to the bot, and what was said."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from veilbot_runners.sandbox.telegram.errors import JsonObject, bad_request, blocked
from veilbot_runners.sandbox.telegram.params import Params

_KEPT = 500
_TYPING_SECONDS = 5.0


class Signal:
    """Wakes whoever waits for a change."""

    __slots__ = ("_waiting", "closed")

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        self.closed = False

    def notify(self) -> None:
        """Wake all."""
        if self._waiting:
            for future in self._waiting:
                if not future.done():
                    future.set_result(None)
            self._waiting.clear()

    def close(self) -> None:
        """Wake all, and let nobody wait again."""
        self.closed = True
        self.notify()

    async def wait(self, seconds: float) -> None:
        """Wait for the next change, at most so long."""
        if self.closed or seconds <= 0:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(future)

    async def until(self, happened: Callable[[], bool], seconds: float) -> None:
        """Wait for a change that makes something true, at most so long."""
        deadline = time.monotonic() + seconds
        while not self.closed and not happened() and (left := deadline - time.monotonic()) > 0:
            await self.wait(left)


class Chat:
    """One customer's private chat with the bot."""

    __slots__ = ("blocked", "id", "keyboard", "language_code", "messages", "name", "purpose", "typing_until", "version")

    def __init__(self, chat_id: int, name: str, language_code: str) -> None:
        self.id = chat_id
        self.name = name
        self.language_code = language_code
        self.messages: dict[int, JsonObject] = {}
        self.purpose = ""
        """What this chat is for, if it is no customer's."""
        self.keyboard: list[list[str]] = []
        self.blocked = False
        self.typing_until = 0.0
        self.version = 0

    def as_chat(self) -> JsonObject:
        """Return the Bot API's ``Chat``."""
        first, _, last = self.name.partition(" ")
        return {"id": self.id, "type": "private", "first_name": first, **({"last_name": last} if last else {})}

    def as_user(self) -> JsonObject:
        """Return the Bot API's ``User``."""
        first, _, last = self.name.partition(" ")
        user: JsonObject = {"id": self.id, "is_bot": False, "first_name": first, "language_code": self.language_code}
        return {**user, "last_name": last} if last else user


class Chats:
    """Every chat, and one counter of changes over all of them."""

    def __init__(self, bot: JsonObject) -> None:
        self.bot = bot
        self.all: dict[int, Chat] = {}
        self.version = 0
        self.changed = Signal()
        self._message_id = 0

    def open(self, chat_id: int, name: str = "", language_code: str = "en") -> Chat:
        """Return a customer's chat; made on first use."""
        chat = self.all.get(chat_id)
        if chat is None:
            chat = self.all[chat_id] = Chat(chat_id, name or f"Customer {chat_id}", language_code)
            self.touch(chat)
        return chat

    def named(self, params: Params, name: str = "chat_id") -> Chat:
        """Return the chat that a call means. Raises ApiError."""
        if not params.text(name):
            raise bad_request(f"{name} is empty")
        chat = self.all.get(params.integer(name))
        if chat is None:
            raise bad_request("chat not found")
        return chat

    def reachable(self, params: Params) -> Chat:
        """Return the chat that a call writes to. Raises ApiError where it does not exist or is blocked."""
        chat = self.named(params)
        if chat.blocked:
            raise blocked()
        return chat

    def from_bot(self, chat: Chat, **content: Any) -> JsonObject:  # noqa: ANN401 - parts of a message
        """Add a message of the bot."""
        chat.typing_until = 0.0
        return self._add(chat, self.bot, content)

    def from_customer(self, chat: Chat, **content: Any) -> JsonObject:  # noqa: ANN401 - parts of a message
        """Add a message of the customer."""
        return self._add(chat, chat.as_user(), content)

    def change(self, chat: Chat, message: JsonObject) -> JsonObject:
        """Put an edited message in the place of the old one; messages themselves never change."""
        chat.messages[message["message_id"]] = message
        self.touch(chat)
        return message

    def delete(self, chat: Chat, message_id: int) -> bool:
        """Take a message away; False if it is not there."""
        known = chat.messages.pop(message_id, None) is not None
        if known:
            self.touch(chat)
        return known

    def type(self, chat: Chat) -> None:
        """Show the customer that the bot is at work."""
        chat.typing_until = time.time() + _TYPING_SECONDS
        self.touch(chat)

    def touch(self, chat: Chat) -> None:
        """Tell the pages that a chat changed."""
        self.version += 1
        chat.version = self.version
        self.changed.notify()

    def dump(self) -> JsonObject:
        """Return all that was said, as JSON."""
        chats = [
            {
                "id": chat.id,
                "name": chat.name,
                "language_code": chat.language_code,
                "messages": list(chat.messages.values()),
                "keyboard": chat.keyboard,
                "blocked": chat.blocked,
            }
            for chat in self.all.values()
        ]
        return {"chats": chats, "last": self._message_id}

    def load(self, kept: JsonObject) -> None:
        """Take back what `dump` returned."""
        self._message_id = kept["last"]
        for one in kept["chats"]:
            chat = self.open(one["id"], one["name"], one["language_code"])
            chat.messages = {message["message_id"]: message for message in one["messages"]}
            chat.keyboard, chat.blocked = one["keyboard"], one["blocked"]
            self.touch(chat)

    def _add(self, chat: Chat, sender: JsonObject, content: JsonObject) -> JsonObject:
        self._message_id += 1
        message: JsonObject = {
            "message_id": self._message_id,
            "from": sender,
            "chat": chat.as_chat(),
            "date": int(time.time()),
        }
        message.update((key, value) for key, value in content.items() if value)
        chat.messages[self._message_id] = message
        if len(chat.messages) > _KEPT:
            del chat.messages[next(iter(chat.messages))]
        self.touch(chat)
        return message
