"""What a client calls itself, in the words that people know and in those that stay the same."""

from __future__ import annotations

from lockhouse.core.agents import MAX_CHARACTERS, program

GO = "aws-sdk-go-v2/1.41.5 ua/2.1 os/linux lang/go#1.25.10 md/GOOS#linux api/s3#1.97.3"
TAKES = f"APN/1.0 HashiCorp/1.0 Terraform/1.15.5 (+https://www.terraform.io) {GO} ft/s3-transfer m/G,Z,g"
ASKS = f"APN/1.0 HashiCorp/1.0 Terraform/1.15.5 (+https://www.terraform.io) {GO} m/b,g"


def test_a_client_is_named_by_the_program_and_not_by_its_libraries():
    assert program("APN/1.0 HashiCorp/1.0 Terraform/1.15.5 (+https://www.terraform.io) aws-sdk") == ("Terraform/1.15.5")
    assert program("Go-http-client/1.1") == "Go-http-client/1.1"
    assert program("aws-cli/1.29.0 Python/3.11") == "aws-cli/1.29.0"
    assert program("") == ""


def test_a_program_is_the_same_whatever_its_sdk_adds_to_a_request():
    assert program(TAKES) == program(ASKS) == "Terraform/1.15.5"
    assert (
        program("aws-sdk-go/1.37.0 (go1.16; linux; amd64) APN/1.0 HashiCorp/1.0 Terraform/1.0.3") == "Terraform/1.0.3"
    )
    assert (program("aws-cli/1.46.3 md/Botocore#1.43.62"), program("OpenTofu/1.11.1 x"), program("")) == (
        "aws-cli/1.46.3",
        "OpenTofu/1.11.1",
        "",
    )
    assert len(program("x" * 1000)) == MAX_CHARACTERS
