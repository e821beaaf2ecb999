"""Alerts: what operators read about trouble: what happened, to whom, how much, and what to do next."""

from veilbot_adapters.telegram.texts import Html, Texts
from veilbot_core.domain.user import Language
from veilbot_core.ports.notifier import Alert

ALERTS = frozenset(
    {
        *("order.held", "order.waiting", "payment.held", "payment.disputed", "payment.refund_failed"),
        "payment.inquiry",
        *("key.refused", "server.down", "server.up", "keys.stay", "job.dead", "job.stuck", "settle.trouble"),
    }
)
"""The codes that have a text of their own."""

_NEXT = {
    "order.held": ("do-approve",),
    "order.waiting": ("do-add-server",),
    "keys.stay": ("do-add-server", "do-move-again"),
    "payment.held": ("do-refund",),
    "payment.refund_failed": ("do-refund",),
    "payment.disputed": ("do-answer-dispute",),
    "payment.inquiry": ("do-answer-inquiry",),
    "key.refused": ("do-mend-server",),
    "server.down": ("do-watch-server",),
    "job.dead": ("do-retry-job",),
    "settle.trouble": ("do-settle",),
}
_OTHERWISE = {"do-approve": "do-refund-there", "do-refund": "do-refund-there", "do-retry-job": "do-list-jobs"}
"""What to do where the id is not known that the command needs."""


def write(texts: Texts, language: Language, alert: Alert) -> Html:
    """Return the text of an alert."""
    name = _name(alert)
    head = texts(language, name) if name else texts(language, "alert-other", code=alert.code)
    return Html("\n".join([head, *_facts(texts, language, alert), *_next(texts, language, alert)]))


def _name(alert: Alert) -> str:
    """Return the text's name; empty for a code that has none."""
    if alert.code in ALERTS:
        return f"alert-{alert.code.replace('.', '-').replace('_', '-')}"
    return "alert-failing" if alert.work else ""


def _facts(texts: Texts, language: Language, alert: Alert) -> list[Html]:
    """Return a line for each thing that is known."""
    about = alert.about
    lines = []
    if about.customer:
        lines.append(texts(language, "alert-customer", customer=about.customer))
    if about.order_id is not None:
        lines.append(texts(language, "alert-order", order=str(about.order_id), tariff=about.tariff))
    elif about.tariff:
        lines.append(texts(language, "alert-tariff", tariff=about.tariff))
    if about.payment:
        lines.append(texts(language, "alert-payment", payment=about.payment))
    if about.money is not None:
        lines.append(texts(language, "alert-money", money=texts.money(language, about.money)))
    if about.server:
        lines.append(texts(language, "alert-server", server=about.server))
    if alert.work:
        lines.append(texts(language, "alert-work", work=alert.work))
    if about.reason:
        lines.append(texts(language, "alert-reason", reason=about.reason[:500]))
    if about.since is not None:
        lines.append(texts(language, "alert-since", since=texts.moment(language, about.since)))
    return lines or [texts(language, "alert-subject", subject=str(alert.subject))]


def _next(texts: Texts, language: Language, alert: Alert) -> list[Html]:
    """Return what to do, with the command that does it."""
    order, job = alert.about.order_id, alert.job_id
    names = [*_NEXT.get(alert.code, ("do-read-log",) if alert.work else ())]
    if alert.code == "order.waiting" and order is not None:
        names.append("do-refund")
    missing = {"do-refund": order, "do-approve": order, "do-retry-job": job}
    possible = [_OTHERWISE[name] if missing.get(name, True) is None else name for name in names]
    values = {"order": str(order), "job": str(job), "server": str(alert.subject)}
    return [texts(language, name, **values) for name in possible]
