"""Logs: readable on a terminal, JSON elsewhere, with no secret in either."""

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

_MASK = "***"
_PATTERNS = re.compile(
    r"""
      ss://[^\s"']+                               # access URLs
    | (?:vless|vmess|trojan|ssconf)://[^\s"']+
    | \b\d{6,}:[A-Za-z0-9_-]{30,}\b               # Telegram bot tokens
    | \b(?:sk|rk)_(?:live|test)_\w+               # Stripe keys
    | \bwhsec_\w+
    | \bvb_[A-Za-z0-9_-]{16,}                     # API keys
    | (?<=/s/)[A-Za-z0-9_-]{16,}                  # subscription links
    | (?i:(?<=bearer\ ))[A-Za-z0-9._~+/=-]{8,}
    | (?<=://)[^/\s:@]+:[^/\s@]+(?=@)             # user:password in a URL
    | v1=[0-9a-f]{32,}                            # webhook signatures
    """,
    re.VERBOSE,
)
_PATHS = re.compile(r"""(https?://[^\s/"']+/)[^\s"'<>]+""")
"""Where a path may be the secret, as it is of an Outline server's API."""


class Redaction:
    """Replaces secrets in everything that is logged: known values and whatever looks like one."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        values = sorted({value for value in known if value}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, values))) if values else None

    def __call__(self, _: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Mask every text in a log event; the last step before it is rendered."""
        for name, value in event.items():
            event[name] = self._clean(value)
        return event

    def text(self, value: str) -> str:
        """Mask the secrets in one text."""
        if self._known is not None:
            value = self._known.sub(_MASK, value)
        return _PATHS.sub(rf"\1{_MASK}", _PATTERNS.sub(_MASK, value))

    def _clean(self, value: object) -> object:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self._clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.text(str(value))


def configure(level: str = "info", *, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging for this process; calling again replaces it."""
    out = stream or sys.stderr
    redaction = Redaction(secrets)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Processor
    if out.isatty():
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    else:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redaction,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "aiogram.event", "uvicorn.access", "stripe", "asyncio", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for loud in ("aio_pika", "aiormq"):  # twice a second while RabbitMQ is away; the adapter says it once
        logging.getLogger(loud).setLevel(logging.CRITICAL)
