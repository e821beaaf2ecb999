"""Invoices and Telegram Stars (https://core.telegram.org/bots/payments-stars)."""

import secrets
import time
from typing import TYPE_CHECKING

from veilbot_runners.sandbox.telegram.errors import JsonObject, bad_request
from veilbot_runners.sandbox.telegram.keyboards import reply_markup
from veilbot_runners.sandbox.telegram.params import Params, as_list, as_object, number

if TYPE_CHECKING:
    from veilbot_runners.sandbox.telegram.state import TelegramState

_MONTH = 2_592_000


class Stars:
    """The bot's invoices and its ledger."""

    def __init__(self) -> None:
        self.invoices: dict[str, JsonObject] = {}
        """By slug of the link, and by ``message:<id>``."""
        self.transactions: list[JsonObject] = []
        self.charges: dict[str, JsonObject] = {}

    def settle(self, user: JsonObject, invoice: JsonObject) -> JsonObject:
        """Book a payment; returns the ``SuccessfulPayment``."""
        charge_id = f"stx{secrets.token_urlsafe(24)}"
        payment: JsonObject = {
            "currency": invoice["currency"],
            "total_amount": invoice["total_amount"],
            "invoice_payload": invoice["payload"],
            "telegram_payment_charge_id": charge_id,
            "provider_payment_charge_id": "" if invoice["currency"] == "XTR" else f"sandbox_{secrets.token_hex(8)}",
        }
        if invoice["subscription_period"]:
            payment["subscription_expiration_date"] = int(time.time()) + invoice["subscription_period"]
            payment |= {"is_recurring": True, "is_first_recurring": True}
        self.charges[charge_id] = {"user": user, "payment": payment, "refunded": False}
        if invoice["currency"] == "XTR":
            partner = {"type": "user", "transaction_type": "invoice_payment", "user": user}
            partner["invoice_payload"] = invoice["payload"]
            self._book(charge_id, invoice["total_amount"], source=partner)
        return payment

    def refund(self, user_id: int, charge_id: str) -> JsonObject:
        """Book a refund; returns the ``RefundedPayment``. Raises ApiError."""
        charge = self.charges.get(charge_id)
        if charge is None or charge["user"]["id"] != user_id or charge["payment"]["currency"] != "XTR":
            raise bad_request("CHARGE_NOT_FOUND")
        if charge["refunded"]:
            raise bad_request("CHARGE_ALREADY_REFUNDED")
        charge["refunded"] = True
        paid = charge["payment"]
        partner = {"type": "user", "transaction_type": "invoice_payment", "user": charge["user"]}
        self._book(charge_id, paid["total_amount"], receiver=partner)
        return {key: paid[key] for key in ("currency", "total_amount", "invoice_payload", "telegram_payment_charge_id")}

    def balance(self) -> int:
        """Return the Stars that the bot has."""
        return sum(-entry["amount"] if "receiver" in entry else entry["amount"] for entry in self.transactions)

    def _book(self, charge_id: str, amount: int, **partner: JsonObject) -> None:
        self.transactions.append({"id": charge_id, "amount": amount, "date": int(time.time()), **partner})


def read_invoice(params: Params) -> JsonObject:
    """Read what sendInvoice and createInvoiceLink share. Raises ApiError."""
    title, description, payload = (params.text(name) for name in ("title", "description", "payload"))
    currency = params.text("currency")
    if not 1 <= len(title) <= 32:
        raise bad_request("INVOICE_TITLE_INVALID" if title else "invoice title must be non-empty")
    if not 1 <= len(description) <= 255:
        raise bad_request("INVOICE_DESCRIPTION_INVALID" if description else "invoice description must be non-empty")
    if not 1 <= len(payload.encode()) <= 128:
        raise bad_request("INVOICE_PAYLOAD_INVALID")
    prices = [_price(price) for price in as_list(params.json("prices"), "expected an Array of labeled prices")]
    if len(currency) != 3 or not currency.isupper():
        raise bad_request("CURRENCY_INVALID")
    if currency == "XTR" and (len(prices) != 1 or params.text("provider_token")):
        raise bad_request("STARS_INVOICE_INVALID")
    if currency != "XTR" and not params.text("provider_token"):
        raise bad_request("PAYMENT_PROVIDER_INVALID")
    total = sum(prices)
    if not 0 < total < 10**9:
        raise bad_request("CURRENCY_TOTAL_AMOUNT_INVALID")
    period = params.integer("subscription_period")
    if period not in {0, _MONTH} or (period and currency != "XTR"):
        raise bad_request("SUBSCRIPTION_PERIOD_INVALID")
    return {
        "title": title,
        "description": description,
        "payload": payload,
        "currency": currency,
        "total_amount": total,
        "subscription_period": period,
    }


def _price(value: object) -> int:
    price = as_object(value, "can't parse labeled price: expected an Object")
    if not isinstance(price.get("label"), str) or not isinstance(price.get("amount"), int | str):
        raise bad_request("can't parse labeled price: label and amount are required")
    return number(price["amount"])


def send_invoice(state: "TelegramState", params: Params) -> JsonObject:
    """Send a bill with a pay button."""
    chat = state.chats.reachable(params)
    invoice = read_invoice(params)
    markup = reply_markup(params, invoice=True)
    shown = {"currency": invoice["currency"], "total_amount": invoice["total_amount"]}
    if markup is None:
        price = f"{shown['total_amount']} ⭐" if shown["currency"] == "XTR" else shown["currency"]
        markup = {"inline_keyboard": [[{"text": f"Pay {price}", "pay": True}]]}
    if not markup.get("inline_keyboard", [[{}]])[0][0].get("pay"):
        raise bad_request("REPLY_MARKUP_BUY_EMPTY")
    content = {"title": invoice["title"], "description": invoice["description"], "start_parameter": "", **shown}
    message = state.chats.from_bot(chat, invoice=content, reply_markup=markup)
    state.stars.invoices[f"message:{message['message_id']}"] = invoice
    return message


def create_invoice_link(state: "TelegramState", params: Params) -> str:
    """Make a link to a bill."""
    slug = secrets.token_urlsafe(12)
    state.stars.invoices[slug] = read_invoice(params)
    return f"https://t.me/${slug}"


def answer_pre_checkout_query(state: "TelegramState", params: Params) -> bool:
    """Let a payment happen, or not."""
    ok, reason = params.flag("ok"), params.text("error_message")
    if not ok and not reason:
        raise bad_request("ERROR_MESSAGE_EMPTY")
    state.queries.answer(params.text("pre_checkout_query_id"), {"ok": ok, "error": reason})
    return True


def refund_star_payment(state: "TelegramState", params: Params) -> bool:
    """Give Stars back."""
    user_id = params.integer("user_id")
    refunded = state.stars.refund(user_id, params.text("telegram_payment_charge_id"))
    chat = state.chats.all[user_id]
    state.updates.push("message", state.chats.from_customer(chat, refunded_payment=refunded))
    return True


def get_star_transactions(state: "TelegramState", params: Params) -> JsonObject:
    """Return the ledger, oldest first."""
    offset, limit = max(params.integer("offset"), 0), params.integer("limit", 100)
    if not 1 <= limit <= 100:
        raise bad_request("LIMIT_INVALID")
    return {"transactions": state.stars.transactions[offset : offset + limit]}


def get_my_star_balance(state: "TelegramState", params: Params) -> JsonObject:  # noqa: ARG001 - every method has this shape
    """Return how many Stars there are."""
    return {"amount": state.stars.balance()}
