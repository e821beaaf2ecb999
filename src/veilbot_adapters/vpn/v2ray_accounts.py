"""Who a key is on a V2Ray or Xray server: its e-mail, its credential, and the account that the core is given.

A wrong account type ends the whole server process (seen on both cores), so accounts are made here only, and always of
the type that the server's settings name.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from veilbot_adapters.vpn.proto import core_pb2 as pb
from veilbot_adapters.vpn.v2ray_settings import METHODS
from veilbot_core.domain.ids import KeyId

_EMAIL = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@veilbot")


class Flavour(StrEnum):
    """Which core it is; the value is the root of its names in gRPC."""

    V2RAY = "v2ray.core"
    XRAY = "xray"


def email(key_id: KeyId) -> str:
    """Return what the core calls the key; lower case, and no prefix of another."""
    return f"{key_id}@veilbot"


def remote_id(name: str) -> str:
    """Return the remote id of a core's user: the key's id for ours, and something printable for others."""
    ours = _EMAIL.fullmatch(name)
    return ours[1] if ours else ascii(name)[1:-1][:100]


def credential(key_id: KeyId, settings: Mapping[str, str]) -> str:
    """Return the key's UUID or password: always the same, and not to be known without the server's secret."""
    digest = hmac.digest(settings["secret"].encode(), f"{settings['proxy']}/{key_id}".encode(), hashlib.sha256)
    if settings["proxy"] in {"vless", "vmess"}:
        return str(UUID(bytes=digest[:16], version=4))
    return digest.hex()[:40]


def user(flavour: Flavour, key_id: KeyId, settings: Mapping[str, str]) -> pb.User:
    """Return the core's user of a key; its account has the type that ``settings["proxy"]`` asks for."""
    proxy, secret = settings["proxy"], credential(key_id, settings)
    account: pb.VlessAccount | pb.VmessAccount | pb.TrojanAccount | pb.ShadowsocksAccount
    if proxy == "vless":
        account = pb.VlessAccount(id=secret, flow=settings.get("flow", ""), encryption="none")
    elif proxy == "vmess":
        account = pb.VmessAccount(id=secret)
    elif proxy == "trojan":
        account = pb.TrojanAccount(password=secret)
    else:
        account = pb.ShadowsocksAccount(password=secret, cipher_type=METHODS[settings["method"]])
    kind = f"{flavour}.proxy.{proxy}.Account"
    return pb.User(email=email(key_id), account=pb.TypedMessage(type=kind, value=account.SerializeToString()))


def same_account(one: pb.User, other: pb.User) -> bool:
    """Say whether two users open the same door; what a core adds to an account by itself does not count."""
    return one.account.type == other.account.type and _essence(one.account) == _essence(other.account)


def _essence(account: pb.TypedMessage) -> tuple[str, ...]:
    if account.type.endswith(".vless.Account"):
        vless = pb.VlessAccount.FromString(account.value)
        return vless.id, vless.flow
    if account.type.endswith(".vmess.Account"):
        return (pb.VmessAccount.FromString(account.value).id,)
    if account.type.endswith(".trojan.Account"):
        return (pb.TrojanAccount.FromString(account.value).password,)
    shadowsocks = pb.ShadowsocksAccount.FromString(account.value)
    return shadowsocks.password, str(shadowsocks.cipher_type)
