"""What a V2Ray or Xray core remembers, and what it says to the few calls that the shop makes.

The sentences are those of V2Ray 4.34 and Xray 26.10, and so are the crashes: an account of another protocol than the
inbound's, or no operation, ends the process.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from google.protobuf.message import Message

from veilbot_adapters.vpn.proto import core_pb2 as pb

_INBOUNDS = {"vless": "vless", "vmess": "vmess/inbound", "trojan": "trojan", "shadowsocks": "shadowsocks"}
"""Where the users of an inbound live in the source of both cores, which their errors tell."""


class Refusal(Exception):
    """A sentence of the core, with gRPC's status UNKNOWN."""


class Unknown(Exception):
    """The core has no such service or method."""


class Crash(Exception):
    """The process is gone."""


@dataclass(slots=True, kw_only=True)
class V2RayState:
    """One core; ``flavour`` is ``xray`` or ``v2ray``."""

    flavour: str = "xray"
    inbounds: Mapping[str, str] = field(default_factory=lambda: {"in": "vless"})
    """The protocol of each tag."""
    users: dict[str, list[pb.User]] = field(default_factory=dict)
    traffic: dict[str, int] = field(default_factory=dict)
    """Bytes by e-mail."""
    clock: Callable[[], float] = time.monotonic
    started: float = 0.0
    crashes: int = 0
    changes: int = 0
    """Users that were added and removed."""

    def __post_init__(self) -> None:
        """Begin with nothing."""
        self.restart()

    @property
    def root(self) -> str:
        """The first part of the names of its services and types."""
        return "xray" if self.flavour == "xray" else "v2ray.core"

    def restart(self) -> None:
        """Forget users and counters, as both cores do."""
        self.users = {tag: [] for tag in self.inbounds}
        self.traffic.clear()
        self.started = self.clock()

    def answer(self, method: str, content: bytes) -> Message:
        """Do what a call asks. Raises Refusal, Unknown, Crash."""
        _, service, name = method.split("/")
        root, _, rest = service.partition(".app.")
        known = _CALLS.get((rest, name))
        if root not in {self.root, "v2ray.core"}:
            raise Unknown(f"unknown service {service}")
        if known is None or (name == "GetInboundUsers" and self.flavour != "xray"):
            raise Unknown(f"unknown method {name} for service {service}")
        return known(self, content)

    def _error(self, path: str, text: str) -> Refusal:
        return Refusal(f"{'v2ray.com/core/' if self.flavour == 'v2ray' else ''}{path}: {text}")

    def _in(self, tag: str) -> list[pb.User]:
        if tag not in self.users:
            inner = self._error("app/proxyman/inbound", f"handler not found: {tag}")
            raise self._error("app/proxyman/command", f"failed to get handler: {tag} > {inner}")
        return self.users[tag]

    def alter(self, content: bytes) -> Message:
        """AlterInbound."""
        request = pb.AlterInboundRequest.FromString(content)
        if not request.HasField("operation"):
            raise Crash
        users = self._in(request.tag)
        if self.inbounds[request.tag] == "shadowsocks" and self.flavour == "v2ray":
            raise self._error("app/proxyman/command", "proxy is not a UserManager")
        name = request.operation.type.removeprefix(f"{self.root}.app.proxyman.command.")
        if name == "AddUserOperation":
            self._add(request.tag, users, pb.AddUserOperation.FromString(request.operation.value).user)
        elif name == "RemoveUserOperation":
            self._remove(request.tag, users, pb.RemoveUserOperation.FromString(request.operation.value).email)
        else:
            why = "proto: not found" if self.flavour == "xray" else f"Serial: Unknown type: {request.operation.type}"
            raise self._error("app/proxyman/command", f"unknown operation > {why}")
        return pb.AlterInboundResponse()

    def _add(self, tag: str, users: list[pb.User], user: pb.User) -> None:
        proxy = self.inbounds[tag]
        if not user.account.type:
            raise self._error("app/proxyman/command", "failed to parse user > Account missing")
        if user.account.type != f"{self.root}.proxy.{proxy}.Account":
            if proxy == "vmess" and self.flavour == "xray":
                raise self._error("proxy/vmess", "account type is incorrect")
            raise Crash
        if proxy != "shadowsocks" and _named(users, user.email):
            raise self._error(f"proxy/{_INBOUNDS[proxy]}", f"User {user.email} already exists.")
        users.append(user)
        self.changes += 1

    def _remove(self, tag: str, users: list[pb.User], email: str) -> None:
        path = f"proxy/{_INBOUNDS[self.inbounds[tag]]}"
        if not email:
            raise self._error(path, "Email must not be empty.")
        found = _named(users, email)
        if found is None:
            raise self._error(path, f"User {email} not found.")
        users.remove(found)
        self.changes += 1

    def find(self, content: bytes) -> Message:
        """GetInboundUsers; one who is not there is no error."""
        request = pb.GetInboundUserRequest.FromString(content)
        users = self._in(request.tag)
        return pb.GetInboundUserResponse(
            users=[user for user in users if not request.email or user.email.lower() == request.email.lower()]
        )

    def stats(self, content: bytes) -> Message:
        """QueryStats; a pattern is any part of a name."""
        request = pb.QueryStatsRequest.FromString(content)
        names = {f"user>>>{email}>>>traffic>>>downlink": count for email, count in self.traffic.items()}
        found = [pb.Stat(name=name, value=count) for name, count in names.items() if request.pattern in name]
        if request.reset:
            self.traffic.clear()
        return pb.QueryStatsResponse(stat=found)

    def system(self, _: bytes) -> Message:
        """GetSysStats."""
        return pb.SysStatsResponse(uptime=int(self.clock() - self.started))


def _named(users: list[pb.User], email: str) -> pb.User | None:
    return next((user for user in users if user.email.lower() == email.lower()), None)


_CALLS: Mapping[tuple[str, str], Callable[[V2RayState, bytes], Message]] = {
    ("proxyman.command.HandlerService", "AlterInbound"): V2RayState.alter,
    ("proxyman.command.HandlerService", "GetInboundUsers"): V2RayState.find,
    ("stats.command.StatsService", "QueryStats"): V2RayState.stats,
    ("stats.command.StatsService", "GetSysStats"): V2RayState.system,
}
