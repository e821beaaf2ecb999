"""Certificates that browsers' handshakes take: ECDSA, where the sandbox's are Ed25519."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from veilbot_runners.sandbox.certificate import Certificate


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Somebody who vouches for others."""

    name: str
    key: ec.EllipticCurvePrivateKey
    pem: bytes


def authority(name: str) -> Authority:
    """Make an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(name=name, key=key, pem=_sign(name, key, key, name, ca=True))


def certificate(name: str, by: Authority | None = None) -> Certificate:
    """Make a certificate for 127.0.0.1, signed by an authority or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    signed = _sign(name, key, by.key if by else key, by.name if by else name, ca=False)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(certificate=signed, key=private)


def write(made: Certificate, folder: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate and its key; return where."""
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(made.certificate)
    paths[1].write_bytes(made.key)
    return paths


def _sign(
    name: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, issuer: str, *, ca: bool
) -> bytes:
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(by, hashes.SHA256())
    )
    return signed.public_bytes(serialization.Encoding.PEM)
