"""A self-signed certificate for development, made at the first start that asks for it and kept in the data directory.

It names localhost, the loopback addresses and the host that the server listens on, so clients that are given the file
(`AWS_CA_BUNDLE`, `SSL_CERT_FILE`) verify it like any other. Source of the profile: RFC 5280; one year, P-256.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lockhouse.durable import replace_durably

CERTIFICATE_FILE = "development-certificate.pem"
KEY_FILE = "development-key.pem"
_DAYS = 365
_SPARE_DAYS = 30


def development_certificate(directory: Path, host: str, now: dt.datetime) -> tuple[Path, Path]:
    """(certificate, key) files, made anew when there are none, when they do not name `host`, or in their last month."""
    certificate, key = directory / CERTIFICATE_FILE, directory / KEY_FILE
    if not (_serves(certificate, host, now) and key.is_file()):
        _make(certificate, key, host, now)
    return certificate, key


def _names(host: str) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = [x509.DNSName("localhost")]
    found += [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    try:
        wanted: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        wanted = x509.DNSName(host)
    return found if wanted in found else [*found, wanted]


def _serves(path: Path, host: str, now: dt.datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    lasts = certificate.not_valid_after_utc > now + dt.timedelta(days=_SPARE_DAYS)
    return lasts and all(name in list(names) for name in _names(host))


def _make(certificate_path: Path, key_path: Path, host: str, now: dt.datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lockhouse development certificate")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    replace_durably(key_path, private)
    replace_durably(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
