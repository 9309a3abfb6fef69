"""Certificates for https: one that was given with its key, or what is wrong with the two, and a self-signed one for
development.

The latter is made at the first start that asks for it and kept in the data directory.

It names localhost, the loopback addresses and the host that the server listens on, so clients that are given the file
(`AWS_CA_BUNDLE`, `SSL_CERT_FILE`) verify it like any other. Source of the profile: RFC 5280; one year, P-256.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lockhouse.durable import replace_durably
from lockhouse.errors import SettingInvalid

CERTIFICATE_FILE = "development-certificate.pem"
KEY_FILE = "development-key.pem"
_DAYS = 365
_SPARE_DAYS = 30


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as they were read, ready for handshakes."""

    context: ssl.SSLContext
    serial: int
    begins: dt.datetime
    ends: dt.datetime


def open_pair(certificate: Path, key: Path) -> Pair:
    """The two files as one, or nothing of them. `certificate` may be a chain, the server's own first.

    Errors: `setting.invalid` when they cannot be used; it names the file that is to blame."""
    for path, name in ((certificate, "tls_cert"), (key, "tls_key")):
        try:
            # To open a pipe would wait for its writer, for ever.
            said = "" if stat.S_ISREG(path.stat().st_mode) else "it is no file"
            if not said:
                path.open("rb").close()
        except OSError as wrong:
            said = os.strerror(wrong.errno or 0)
        if said:
            raise SettingInvalid(
                f"cannot read {path}: {said}",
                hint=f"{name} must name a file that the user the server runs as may read",
                setting=name,
            )
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # An empty password, so that nobody is asked for one in a place where nobody sits.
        context.load_cert_chain(certificate, key, password=lambda: "")
        read = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as wrong:  # what ssl raises is an OSError
        raise SettingInvalid(
            f"cannot serve https with {certificate} and {key}: {_reason(certificate, key, wrong)}",
            hint="tls_cert is a PEM chain, the server's certificate first; tls_key is its key, without a password",
            setting="tls_cert",
        ) from None
    return Pair(context, read.serial_number, read.not_valid_before_utc, read.not_valid_after_utc)


def _reason(certificate: Path, key: Path, wrong: Exception) -> str:
    """Which of the two is to blame: ssl hardly says."""
    if getattr(wrong, "reason", None) == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    try:
        x509.load_pem_x509_certificates(certificate.read_bytes())
    except (OSError, ValueError):
        return f"{certificate} holds no whole certificate"
    try:
        serialization.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, UnsupportedAlgorithm):
        return f"{key} holds no whole private key"
    except TypeError:
        return f"{key} asks for a password"
    said = str(getattr(wrong, "reason", None) or wrong).lower().replace("_", " ")
    return f"{certificate} is damaged behind its first certificate, or cannot be used ({said})"


def development_certificate(directory: Path, host: str, now: dt.datetime, *, public: str = "") -> tuple[Path, Path]:
    """(certificate, key) files, made anew when there are none, when they do not name `host` and `public` (where clients
    are told to come), or in their last month."""
    certificate, key = directory / CERTIFICATE_FILE, directory / KEY_FILE
    hosts = [each for each in (host, public) if each]
    if not (_serves(certificate, hosts, now) and key.is_file()):
        _make(certificate, key, hosts, now)
    return certificate, key


def _names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = [x509.DNSName("localhost")]
    found += [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    for host in hosts:
        try:
            wanted: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            wanted = x509.DNSName(host)
        if wanted not in found:
            found.append(wanted)
    return found


def _serves(path: Path, hosts: Sequence[str], now: dt.datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    lasts = certificate.not_valid_after_utc > now + dt.timedelta(days=_SPARE_DAYS)
    return lasts and all(name in list(names) for name in _names(hosts))


def _make(certificate_path: Path, key_path: Path, hosts: Sequence[str], now: dt.datetime) -> None:
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
        .add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
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
