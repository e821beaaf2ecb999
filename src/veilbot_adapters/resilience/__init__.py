"""The one guarded way out, for every adapter that calls another machine."""

from veilbot_adapters.resilience.answers import retry_after
from veilbot_adapters.resilience.breaker import Breaker
from veilbot_adapters.resilience.guard import Guard, Guards
from veilbot_adapters.resilience.limits import Effect, Limits

__all__ = ["Breaker", "Effect", "Guard", "Guards", "Limits", "retry_after"]
