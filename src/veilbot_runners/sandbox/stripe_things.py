"""The objects of the local Stripe and how its API shows them (docs.stripe.com/api, version 2026-10-28)."""

from dataclasses import dataclass, field
from typing import Any

Shown = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Session:
    """A checkout page."""

    id: str
    product: str
    currency: str
    amount: int
    reference: str | None
    metadata: dict[str, str]
    intent_metadata: dict[str, str]
    success_url: str
    cancel_url: str
    url: str
    created: int
    expires_at: int
    status: str = "open"
    payment_status: str = "unpaid"
    intent_id: str | None = None

    def shown(self) -> Shown:
        """Render it as the API does."""
        return _SESSION | {
            "id": self.id,
            "amount_subtotal": self.amount,
            "amount_total": self.amount,
            "cancel_url": self.cancel_url,
            "client_reference_id": self.reference,
            "created": self.created,
            "currency": self.currency,
            "customer_details": None if self.status == "open" else _CUSTOMER,
            "expires_at": self.expires_at,
            "metadata": self.metadata,
            "payment_intent": self.intent_id,
            "payment_status": self.payment_status,
            "status": self.status,
            "success_url": self.success_url,
            "url": self.url if self.status == "open" else None,
        }


_SESSION: Shown = {
    "object": "checkout.session",
    "adaptive_pricing": {"enabled": False},
    "after_expiration": None,
    "allow_promotion_codes": None,
    "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
    "billing_address_collection": None,
    "client_secret": None,
    "collected_information": None,
    "consent": None,
    "currency_conversion": None,
    "custom_fields": [],
    "custom_text": {"after_submit": None, "shipping_address": None, "submit": None},
    "customer": None,
    "customer_creation": "if_required",
    "customer_email": None,
    "discounts": [],
    "invoice": None,
    "livemode": False,
    "locale": None,
    "mode": "payment",
    "payment_link": None,
    "payment_method_collection": "if_required",
    "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
    "payment_method_types": ["card"],
    "permissions": None,
    "phone_number_collection": {"enabled": False},
    "recovered_from": None,
    "saved_payment_method_options": None,
    "setup_intent": None,
    "shipping_address_collection": None,
    "shipping_cost": None,
    "shipping_options": [],
    "submit_type": None,
    "subscription": None,
    "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    "ui_mode": "hosted",
    "wallet_options": None,
}
"""What every checkout session says, in alphabetical order."""

_CUSTOMER: Shown = {
    "address": {"city": None, "country": "NL", "line1": None, "line2": None, "postal_code": None, "state": None},
    "email": "customer@example.com",
    "name": "Test Customer",
    "phone": None,
    "tax_exempt": "none",
    "tax_ids": [],
}


@dataclass(slots=True, kw_only=True)
class Intent:
    """Money that a customer paid, or is about to."""

    id: str
    charge_id: str
    amount: int
    currency: str
    metadata: dict[str, str]
    created: int
    status: str = "succeeded"
    refunded: int = 0

    def shown(self) -> Shown:
        """Render it as the API does."""
        return {
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_received": self.amount if self.status == "succeeded" else 0,
            "capture_method": "automatic_async",
            "created": self.created,
            "currency": self.currency,
            "latest_charge": self.charge_id,
            "livemode": False,
            "metadata": self.metadata,
            "payment_method_types": ["card"],
            "status": self.status,
        }


@dataclass(slots=True, kw_only=True)
class Refund:
    """Money that went back."""

    id: str
    intent_id: str
    charge_id: str
    amount: int
    currency: str
    created: int
    status: str = "succeeded"
    metadata: dict[str, str] = field(default_factory=dict)

    def shown(self) -> Shown:
        """Render it as the API does."""
        return {
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": None,
            "charge": self.charge_id,
            "created": self.created,
            "currency": self.currency,
            "destination_details": {"card": {"type": "refund", "reference_status": "pending"}, "type": "card"},
            "metadata": self.metadata,
            "payment_intent": self.intent_id,
            "reason": None,
            "receipt_number": None,
            "status": self.status,
        }


@dataclass(slots=True, kw_only=True)
class Dispute:
    """A customer's bank wants the money back."""

    id: str
    intent_id: str
    charge_id: str
    amount: int
    currency: str
    created: int
    status: str = "needs_response"

    def shown(self) -> Shown:
        """Render it as the API does."""
        return {
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "charge": self.charge_id,
            "created": self.created,
            "currency": self.currency,
            "is_charge_refundable": False,
            "livemode": False,
            "metadata": {},
            "payment_intent": self.intent_id,
            "reason": "fraudulent",
            "status": self.status,
        }
