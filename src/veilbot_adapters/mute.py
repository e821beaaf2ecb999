"""Notifier of a shop without a bot: customers look at their links, operators at the log."""

import logging

from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Alert, Delivery, Message, Notifier

_LOG = logging.getLogger(__name__)


class MuteNotifier(Notifier):
    """Reaches nobody, and says so."""

    async def tell(self, user: User, message: Message) -> Delivery:  # noqa: ARG002 - the port's
        """Answer that the customer cannot be reached; what there is to say waits under their link."""
        return Delivery.UNREACHABLE

    async def alert(self, alert: Alert) -> None:
        """Write it where an operator of such a shop looks."""
        _LOG.warning("needs a person: %s %s %s", alert.code, alert.subject, alert.about.reason)
