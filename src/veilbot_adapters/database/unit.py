"""The unit of work: every repository on one session."""

from veilbot_adapters.database.access import Keys, Subscriptions
from veilbot_adapters.database.goods import Servers, Tariffs
from veilbot_adapters.database.people import ApiKeys, Users
from veilbot_adapters.database.sales import Orders, Payments
from veilbot_adapters.database.seals import Seals
from veilbot_adapters.database.session import Session
from veilbot_adapters.database.turns import Turns
from veilbot_adapters.database.work import Jobs, Outbox, Replies
from veilbot_core.ports.storage import UnitOfWork


class DatabaseUnitOfWork(UnitOfWork):
    """The repositories inside one transaction."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.users = Users(session)
        self.tariffs = Tariffs(session)
        self.servers = Servers(session)
        self.orders = Orders(session)
        self.payments = Payments(session)
        self.subscriptions = Subscriptions(session)
        self.keys = Keys(session)
        self.outbox = Outbox(session)
        self.jobs = Jobs(session)
        self.api_keys = ApiKeys(session)
        self.replies = Replies(session)
        self.turns = Turns(session)
        self.seals = Seals(session)
