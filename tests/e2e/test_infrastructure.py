"""The files that people start from: valid Terraform, and no setting in them that Lockhouse does not have."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import pytest

from lockhouse.config import Settings
from tests.e2e.terraform import Terraform
from tests.e2e.toolchain.clients import REPOSITORY

INFRASTRUCTURE = REPOSITORY / "infrastructure"


def test_the_terraform_for_ecs_is_formatted_and_valid(tmp_path: Path):
    operator = Terraform(tmp_path / "operator")
    for file in (INFRASTRUCTURE / "ecs").glob("*.tf"):
        shutil.copy(file, operator.directory)
    operator.ok("fmt", "-check", "-diff")
    operator.ok("init", "-backend=false", "-input=false")
    operator.ok("validate")


@pytest.mark.parametrize("file", ["Dockerfile", "ecs/service.tf"])
def test_every_setting_in_a_file_exists(file: str):
    known = {f"LOCKHOUSE_{name.upper()}" for name in (field.name for field in dataclasses.fields(Settings))}
    named = set(re.findall(r"\bLOCKHOUSE_[A-Z_]+\b", (INFRASTRUCTURE / file).read_text(encoding="utf-8")))
    assert named
    assert named <= known
