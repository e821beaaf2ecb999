"""The table of Bot API methods."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from veilbot_runners.sandbox.telegram import editing, profile, sending, stars, subscribing
from veilbot_runners.sandbox.telegram.errors import ApiError
from veilbot_runners.sandbox.telegram.params import Params
from veilbot_runners.sandbox.telegram.state import TelegramState

Method = Callable[[TelegramState, Params], Any]


def _done(state: TelegramState, params: Params) -> bool:  # noqa: ARG001 - every method has this shape
    return True


METHODS: Mapping[str, Method] = {
    "getme": profile.get_me,
    "logout": _done,
    "close": _done,
    "setmycommands": profile.set_my_commands,
    "getmycommands": profile.get_my_commands,
    "deletemycommands": profile.delete_my_commands,
    "setmyname": partial(profile.set_text, kind="name"),
    "getmyname": partial(profile.get_text, kind="name"),
    "setmydescription": partial(profile.set_text, kind="description"),
    "getmydescription": partial(profile.get_text, kind="description"),
    "setmyshortdescription": partial(profile.set_text, kind="short_description"),
    "getmyshortdescription": partial(profile.get_text, kind="short_description"),
    "setchatmenubutton": profile.set_chat_menu_button,
    "getchatmenubutton": profile.get_chat_menu_button,
    "setwebhook": subscribing.set_webhook,
    "deletewebhook": subscribing.delete_webhook,
    "getwebhookinfo": subscribing.get_webhook_info,
    "sendmessage": sending.send_message,
    "sendphoto": sending.send_photo,
    "senddocument": sending.send_document,
    "copymessage": sending.copy_message,
    "forwardmessage": sending.forward_message,
    "sendchataction": sending.send_chat_action,
    "answercallbackquery": sending.answer_callback_query,
    "getchat": sending.get_chat,
    "getchatmember": sending.get_chat_member,
    "getfile": sending.get_file,
    "editmessagetext": editing.edit_message_text,
    "editmessagecaption": editing.edit_message_caption,
    "editmessagereplymarkup": editing.edit_message_reply_markup,
    "editmessagemedia": editing.edit_message_media,
    "deletemessage": editing.delete_message,
    "deletemessages": editing.delete_messages,
    "sendinvoice": stars.send_invoice,
    "createinvoicelink": stars.create_invoice_link,
    "answerprecheckoutquery": stars.answer_pre_checkout_query,
    "refundstarpayment": stars.refund_star_payment,
    "getstartransactions": stars.get_star_transactions,
    "getmystarbalance": stars.get_my_star_balance,
}
"""Every method but getUpdates, which waits; names in lower case."""


def call(state: TelegramState, method: str, params: Params) -> Any:  # noqa: ANN401 - each method has its result
    """Run a method, named in lower case. Raises ApiError."""
    run = METHODS.get(method)
    if run is None:
        raise ApiError(404, "Not Found: method not found")
    return run(state, params)
