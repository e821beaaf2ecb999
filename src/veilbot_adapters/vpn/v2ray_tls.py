"""Channels to a core's API: plain on loopback, or TLS with our certificate and theirs pinned.

gRPC for Python has no place for a pin. So the certificate is fetched once and compared; then it is the only root that
the channel knows, and its own name the one that it asks for: any other certificate ends the handshake.
"""

import asyncio
import hashlib
import hmac
import ssl
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from veilbot_adapters.addresses import INSIDE, resolve
from veilbot_core.domain.errors import InvalidInput, Rejected, Unavailable, because

_MOST = 32_000_000
"""Bytes of one answer: about 100,000 users."""
_CONNECT = 5.0
_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_receive_message_length", _MOST),
    ("grpc.max_metadata_size", 16_384),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.client_idle_timeout_ms", 30_000),
    ("grpc.service_config_disable_resolution", 1),
)


def check_pair(certificate: str, key: str) -> None:
    """Refuse what is no client certificate with its key, both PEM. Raises InvalidInput."""
    try:
        public = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    except ValueError as error:
        raise InvalidInput("client_cert is a certificate in PEM", field="client_cert") from error
    try:
        private = load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError) as error:
        raise InvalidInput("client_key is a private key in PEM, without a password", field="client_key") from error
    if private.public_key() != public:
        raise InvalidInput("client_key is not the key of client_cert", field="client_key")


async def open_channel(host: str, port: int, settings: Mapping[str, str], *, allow_private: bool) -> grpc.aio.Channel:
    """Return a channel to the API.

    Raises:
        Unavailable: the name does not resolve, or nobody answers.
        Rejected: the certificate is another one, or the host is inside.
    """
    if "cert_sha256" not in settings:
        return grpc.aio.insecure_channel(_target(host, port), _OPTIONS)
    try:
        async with asyncio.timeout(_CONNECT):
            found = await resolve(host, port, allow_private=allow_private or host in {"127.0.0.1", "::1"})
            if not found:
                raise Rejected(f"{host} leads into {INSIDE}")
            shown = await _certificate(found[0], port, host, settings)
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"{host} cannot be reached ({because(error)})") from error
    if not hmac.compare_digest(hashlib.sha256(shown).hexdigest(), settings["cert_sha256"]):
        raise Rejected(
            f"{host} shows another certificate than the pinned one: if its proxy got a new one, give the new"
            " cert_sha256; if not, somebody stands in between"
        )
    credentials = grpc.ssl_channel_credentials(
        ssl.DER_cert_to_PEM_cert(shown).encode(), settings["client_key"].encode(), settings["client_cert"].encode()
    )
    options = (*_OPTIONS, ("grpc.ssl_target_name_override", _name(shown)))
    return grpc.aio.secure_channel(_target(found[0], port), credentials, options)


def _target(host: str, port: int) -> str:
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"


async def _certificate(address: str, port: int, host: str, settings: Mapping[str, str]) -> bytes:
    """Fetch the certificate; the handshake proves that the other side holds its key, and nothing is said."""
    _, writer = await asyncio.open_connection(address, port, ssl=_context(settings), server_hostname=host)
    try:
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return tls.getpeercert(binary_form=True) or b""
    finally:
        writer.transport.abort()


def _context(settings: Mapping[str, str]) -> ssl.SSLContext:
    """Return a context that shows our certificate and takes any: the pin judges."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with TemporaryDirectory() as folder:  # OpenSSL reads a pair from files only
        path = Path(folder, "pair.pem")
        path.touch(mode=0o600)
        path.write_text(f"{settings['client_key']}\n{settings['client_cert']}\n", encoding="ascii")
        context.load_cert_chain(path)
    return context


def _name(shown: bytes) -> str:
    """Return a name that the certificate itself claims."""
    certificate = x509.load_der_x509_certificate(shown)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(common[0].value) if common else ""
    dns = names.get_values_for_type(x509.DNSName)
    if dns:
        return dns[0].replace("*", "x")
    addresses = names.get_values_for_type(x509.IPAddress)
    return str(addresses[0]) if addresses else ""
