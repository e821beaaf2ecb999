"""The least that an aiogram bot can do: raw ASGI, one handler, the reply in the answer to the webhook; no database.

Run: ``python -m bench.bare_bot '{"port": ..., "secret": ...}'``
"""

import gc
import json
import sys
from collections.abc import Mapping
from typing import Any

import uvicorn

from veilbot_runners.bot import lean

lean.load()  # as the product imports it: the types are built at their first use
from aiogram import Bot, Dispatcher  # noqa: E402
from aiogram.types import CallbackQuery, Message, Update  # noqa: E402

_BUTTONS = {"inline_keyboard": [[{"text": f"Button {number}", "callback_data": "m"}] for number in range(4)]}
Reply = Mapping[str, Any]


async def on_tap(query: CallbackQuery) -> Reply:
    """Show a screen in place of the old one."""
    assert query.message is not None
    place = {"chat_id": query.message.chat.id, "message_id": query.message.message_id}
    text = f"Hello, {query.from_user.first_name}!"
    return {"method": "editMessageText", **place, "text": text, "parse_mode": "HTML", "reply_markup": _BUTTONS}


async def on_message(message: Message) -> Reply:
    """Show a screen."""
    assert message.from_user is not None
    text = f"Hello, {message.from_user.first_name}!"
    chat_id = message.chat.id
    return {"method": "sendMessage", "chat_id": chat_id, "text": text, "parse_mode": "HTML", "reply_markup": _BUTTONS}


def application(secret: str) -> Any:  # noqa: ANN401 - ASGI
    """Return the ASGI application."""
    bot, dispatcher = Bot("1:bench"), Dispatcher(disable_fsm=True)
    dispatcher.callback_query.register(on_tap)
    dispatcher.message.register(on_message)

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        body = b""
        more = scope["method"] == "POST"
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        given = next((value for name, value in scope["headers"] if name == b"x-telegram-bot-api-secret-token"), b"")
        reply: Any = {}
        if body and given.decode() == secret:
            update = Update.model_validate(json.loads(body), context={"bot": bot})  # else it is read twice
            reply = await dispatcher.feed_update(bot, update)
        content = json.dumps(reply, ensure_ascii=False).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return app


def main() -> None:
    """Serve until a signal."""
    given = json.loads(sys.argv[1])
    app = application(given["secret"])
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=given["port"],
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        lifespan="off",
    )


if __name__ == "__main__":
    main()
