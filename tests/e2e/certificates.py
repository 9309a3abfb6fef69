"""A self-signed certificate for the loopback address, valid for the length of a test run, and its successors."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Certificate:
    """A certificate file and its key file; the certificate is its own authority."""

    def __init__(self, directory: Path, *, days: float = 2, begins: float = -1 / 24) -> None:
        """Write both as PEM. `days`, `begins`: from now, in days, when it ends and begins."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
        now = dt.datetime.now(dt.UTC)
        self.serial = x509.random_serial_number()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(self.serial)
            .not_valid_before(now + dt.timedelta(days=begins))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.path = directory / "server.crt"
        self.key_path = directory / "server.key"
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def replace(self, other: Certificate) -> None:
        """Be put where another is, as what renews certificates does: one file after the other, each at once."""
        self.key_path = self.key_path.replace(other.key_path)
        self.path = self.path.replace(other.path)

    @property
    def flags(self) -> tuple[str, ...]:
        """What makes a server use it."""
        return ("--tls-cert", str(self.path), "--tls-key", str(self.key_path))
