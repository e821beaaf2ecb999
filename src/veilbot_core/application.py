"""Application: the whole shop as one object, for runners and for other tools."""

from collections.abc import Mapping
from dataclasses import dataclass

from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.policy import Policy
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.doorbell import Doorbell
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.limiter import Limiter
from veilbot_core.ports.storage import Storage
from veilbot_core.services.api_keys import ApiKeys
from veilbot_core.services.catalog import Catalog
from veilbot_core.services.checkout import Checkout
from veilbot_core.services.expiry import Expiry
from veilbot_core.services.fleet import Fleet
from veilbot_core.services.fulfilment import Fulfilment
from veilbot_core.services.moving import Moving
from veilbot_core.services.notices import Notices
from veilbot_core.services.payments import Payments
from veilbot_core.services.provisioning import Provisioning
from veilbot_core.services.requests import Requests
from veilbot_core.services.sealing import Sealing
from veilbot_core.services.settlement import Settlement
from veilbot_core.services.subscriptions import Subscriptions
from veilbot_core.services.users import Users
from veilbot_core.services.work import Handler, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The services, ready to be called."""

    users: Users
    catalog: Catalog
    checkout: Checkout
    payments: Payments
    settlement: Settlement
    fulfilment: Fulfilment
    provisioning: Provisioning
    subscriptions: Subscriptions
    expiry: Expiry
    fleet: Fleet
    moving: Moving
    notices: Notices
    api_keys: ApiKeys
    requests: Requests
    sealing: Sealing
    work: Work
    storage: Storage
    clock: Clock
    ids: Ids
    limiter: Limiter
    own_limiter: Limiter
    """Counts in this process alone and asks nobody: for what guards the process, not the shop."""
    doorbell: Doorbell
    policy: Policy


def handlers(  # noqa: PLR0913 - one parameter per service that does jobs
    *,
    payments: Payments,
    settlement: Settlement,
    fulfilment: Fulfilment,
    provisioning: Provisioning,
    expiry: Expiry,
    fleet: Fleet,
    moving: Moving,
    notices: Notices,
    requests: Requests,
) -> Mapping[JobKind, Handler]:
    """Say which service does which kind of job."""

    async def sweep(job: Job) -> None:
        await fulfilment.sweep(job)
        await requests.purge()

    return {
        JobKind.FULFIL_ORDER: fulfilment.fulfil,
        JobKind.CLOSE_ORDER: payments.close,
        JobKind.REFUND_ORDER: payments.refund,
        JobKind.RESTORE_KEYS: fulfilment.restore,
        JobKind.APPLY_KEY: provisioning.apply,
        JobKind.RECHECK_KEY: provisioning.recheck,
        JobKind.MOVE_KEYS: moving.run,
        JobKind.TELL_PAID: notices.tell,
        JobKind.TELL_READY: notices.tell,
        JobKind.TELL_HELD: notices.tell,
        JobKind.TELL_REFUNDED: notices.tell,
        JobKind.TELL_MOVED: notices.tell,
        JobKind.TELL_EXTRA: notices.tell,
        JobKind.TELL_REFUND_FAILED: notices.tell,
        JobKind.TELL_REMINDER: notices.tell,
        JobKind.ALERT: notices.alert,
        JobKind.RECONCILE_SERVER: provisioning.reconcile_server,
        JobKind.SWEEP: sweep,
        JobKind.EXPIRE: expiry.run,
        JobKind.PROBE: fleet.probe,
        JobKind.RECONCILE: provisioning.reconcile_all,
        JobKind.SETTLE: settlement.run,
    }
