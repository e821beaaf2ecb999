"""One V2Ray or Xray server: which core it is, what its inbound speaks, and its users."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from veilbot_adapters.hearsay import repeat
from veilbot_adapters.vpn.proto import core_pb2 as pb
from veilbot_adapters.vpn.v2ray_accounts import Flavour, email, remote_id, same_account, user
from veilbot_adapters.vpn.v2ray_api import Change, CoreApi, Said
from veilbot_core.domain.errors import Rejected
from veilbot_core.domain.ids import KeyId

NOBODY = "nobody@veilbot"
"""A user that nobody has: the e-mails of ours begin with a UUID."""
_PAIRS = 16
"""How many users of one e-mail are removed; Xray's shadowsocks takes duplicates."""
_ROUNDS = 2
"""How often users are added: whoever stands there with another account is removed in the first round."""
_EXISTS = re.compile(r"User .* already exists\.")
_GONE = re.compile(r"proxy/([a-z0-9_]+)(?:/[a-z]+)?: User .* not found\.\Z", re.DOTALL)
_COUNTER = re.compile(r"user>>>(.+)>>>traffic>>>(?:up|down)link", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which core answers, and since how many seconds it runs."""

    flavour: Flavour
    uptime: int


class CoreServer:
    """A server's inbound.

    Before a user is added it must be certain what the inbound speaks, because an account of another protocol ends the
    whole process. Neither core tells, V2Ray has not even a call that lists inbounds; but the error for removing a user
    who is not there names the protocol, on both, and removing needs no account. So that is asked each time, once for
    all users that are added together.

    What was asked is true of one process only, and the next may have come by the time the user is sent. So the calls
    that add are begun first, each on a standing connection (see `Change`); then the inbound is looked at; then the
    users are sent. A process whose connections stand has not been replaced, and if they do not, nothing is sent.
    """

    def __init__(self, api: CoreApi, settings: Mapping[str, str]) -> None:
        self._api = api
        self._settings = settings
        self._flavour: Flavour | None = None

    async def close(self) -> None:
        """End the connection."""
        await self._api.close()

    async def identify(self) -> Identity:
        """Ask who answers. Raises Rejected for a core other than the one that the operator named."""
        for flavour in (Flavour.XRAY, Flavour.V2RAY):  # Xray knows V2Ray's service, too
            method = f"/{flavour}.app.stats.command.StatsService/GetSysStats"
            found = await self._api.ask(method, pb.SysStatsRequest(), pb.SysStatsResponse)
            if isinstance(found, pb.SysStatsResponse):
                self._check_flavour(flavour)
                self._flavour = flavour
                return Identity(flavour, found.uptime)
            if not found.missing:
                raise self._api.nonsense("it does not tell its state")
        raise Rejected(f'{self._api.host} does not tell its state: add "StatsService" to the services of its "api"')

    async def inspect(self, flavour: Flavour) -> None:
        """See that the inbound speaks what the operator said. Raises Rejected."""
        said = await self._ask_remove(flavour, NOBODY)
        match = _GONE.search(said.text) if said else None
        if match is None:
            raise self._api.nonsense("it does not tell what the inbound speaks")
        if match[1] != self._settings["proxy"]:
            raise Rejected(
                f"inbound {self._settings['inbound']!r} of {self._api.host} speaks {match[1][:40]}, not"
                f" {self._settings['proxy']}: a user of the wrong kind would end the server, so none was sent"
            )

    async def add(self, key_ids: set[KeyId]) -> None:
        """Make users be there, each with the account of its key and no other; who is there is taken from the set.

        Raises:
            Unavailable, Unknown, Rejected: why there is one who is left in the set.
        """
        known = self._flavour
        try:
            await self._add(known or (await self.identify()).flavour, key_ids)
        except Rejected:  # which core it is changes so rarely that a refusal is reason enough to ask
            if known is None or (found := (await self.identify()).flavour) is known:
                raise
            await self._add(found, key_ids)

    async def remove(self, key_id: KeyId) -> None:
        """Make a user be gone."""
        flavour = (await self.identify()).flavour  # a server that is gone has not done it, and this says so
        for _ in range(_PAIRS):
            said = await self._change(flavour, "RemoveUser", pb.RemoveUserOperation(email=email(key_id)))
            if said is not None:
                if _GONE.search(said.text):
                    return
                raise self._api.nonsense("it does not say why a user cannot be removed")
            if self._settings["proxy"] != "shadowsocks":
                return
        raise Rejected(f"{self._api.host} has more than {_PAIRS} users of one name: remove them by hand")

    async def users(self) -> Sequence[str] | None:
        """Return the remote ids of all users; None from a core that cannot list them."""
        identity = await self.identify()
        if identity.flavour is Flavour.V2RAY:
            return None
        found = await self._find("")
        return None if found is None else [remote_id(one.email) for one in found]

    async def counters(self) -> Mapping[str, int]:
        """Return the bytes of each user, up and down, since the core started."""
        identity = await self.identify()
        method = f"/{identity.flavour}.app.stats.command.StatsService/QueryStats"
        found = await self._api.ask(method, pb.QueryStatsRequest(pattern="user>>>"), pb.QueryStatsResponse)
        if isinstance(found, Said):
            raise Rejected(f'{self._api.host} does not count traffic: add "stats": {{}} to its configuration')
        counted: dict[str, int] = {}
        for stat in found.stat:
            match = _COUNTER.fullmatch(stat.name)
            if stat.value < 0:
                raise self._api.nonsense("a number of bytes is none")
            if match:
                name = remote_id(match[1])
                counted[name] = counted.get(name, 0) + stat.value
        return counted

    async def _add(self, flavour: Flavour, key_ids: set[KeyId]) -> None:
        """Add users to a core of this flavour."""

        async def put(key_id: KeyId, change: Change) -> None:
            if await self._put(flavour, key_id, change):
                key_ids.remove(key_id)

        for _ in range(_ROUNDS):
            waiting = tuple(key_ids)
            async with self._api.begun(flavour, len(waiting)) as changes:
                await self.inspect(flavour)
                ends = await asyncio.gather(*map(put, waiting, changes), return_exceptions=True)
            for failure in filter(None, ends):
                raise failure
            if not key_ids:
                return
        raise Rejected(f"somebody else gives other accounts to our users on {self._api.host}")

    async def _put(self, flavour: Flavour, key_id: KeyId, change: Change) -> bool:
        """Make one user be there; False for one who had another account, and is gone now."""
        wanted = user(flavour, key_id, self._settings)
        if self._settings["proxy"] == "shadowsocks" and not await self._make_way(flavour, wanted):
            return True
        said = await change.send(self._request(flavour, "AddUser", pb.AddUserOperation(user=wanted)))
        if said is None:
            return True
        if not _EXISTS.search(said.text):
            raise Rejected(f"{self._api.host} refused a user: {repeat(said.text)[-120:]}")
        there = await self._find(wanted.email) if flavour is Flavour.XRAY else None
        if not there or any(same_account(one, wanted) for one in there):
            return True
        await self.remove(key_id)
        return False

    async def _make_way(self, flavour: Flavour, wanted: pb.User) -> bool:
        """Say whether a shadowsocks user is to be added; Xray would add it again beside one that is there."""
        there = await self._find(wanted.email)
        if there is not None and len(there) == 1 and same_account(there[0], wanted):
            return False
        for _ in range(_PAIRS if there is None else len(there)):
            operation = pb.RemoveUserOperation(email=wanted.email)
            if await self._change(flavour, "RemoveUser", operation) is not None:
                break
        return True

    async def _find(self, name: str) -> Sequence[pb.User] | None:
        """Return the users of an e-mail, all for none; None from an Xray older than 24.11.5."""
        method = f"/{Flavour.XRAY}.app.proxyman.command.HandlerService/GetInboundUsers"
        request = pb.GetInboundUserRequest(tag=self._settings["inbound"], email=name)
        found = await self._api.ask(method, request, pb.GetInboundUserResponse)
        if isinstance(found, Said):
            if found.missing:
                return None
            self._api.refused(found, "HandlerService")
            raise self._api.nonsense("it does not list its users")
        return [one for one in found.users if not name or one.email == name]

    async def _change(self, flavour: Flavour, name: str, operation: Message) -> Said | None:
        return await self._api.change(flavour, self._request(flavour, name, operation))

    async def _ask_remove(self, flavour: Flavour, name: str) -> Said | None:
        """Remove somebody who is not there, which is a question."""
        request = self._request(flavour, "RemoveUser", pb.RemoveUserOperation(email=name))
        method = f"/{flavour}.app.proxyman.command.HandlerService/AlterInbound"
        found = await self._api.ask(method, request, pb.AlterInboundResponse)
        return self._api.refused(found, "HandlerService") if isinstance(found, Said) else None

    def _request(self, flavour: Flavour, name: str, operation: Message) -> pb.AlterInboundRequest:
        kind = f"{flavour}.app.proxyman.command.{name}Operation"
        typed = pb.TypedMessage(type=kind, value=operation.SerializeToString())
        return pb.AlterInboundRequest(tag=self._settings["inbound"], operation=typed)

    def _check_flavour(self, flavour: Flavour) -> None:
        said = self._settings["flavour"]
        if said != "auto" and Flavour[said.upper()] is not flavour:
            raise Rejected(f"{self._api.host} runs {flavour.name.title()}, not {said}: correct flavour")
