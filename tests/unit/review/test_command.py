"""The command: its exit codes, its streams, and what it never does."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lockhouse.review.command import review_command

from .fixtures import FOLDER

APP = typer.Typer()
APP.command()(review_command)
REPO = str(FOLDER / "origin-shape" / "repo")


def run(*arguments: str):
    return CliRunner().invoke(APP, list(arguments))


def git(folder: Path, *arguments: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", *arguments],
        cwd=folder, env=environment, check=True, capture_output=True, timeout=30,
    )  # fmt: skip


def test_json_on_stdout_is_nothing_but_json():
    done = run(REPO, "--ask", "dynamodb", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["services"][0]["users"] == ["tooling"]


def test_a_kept_rule_exits_0_and_a_broken_one_1():
    assert run(REPO, "--forbid", "app:aws/dynamodb").exit_code == 0
    broken = run(REPO, "--forbid", "tooling:aws/dynamodb")
    assert broken.exit_code == 1
    assert "violated: forbid tooling:aws/dynamodb" in broken.stdout


@pytest.mark.parametrize(
    "arguments",
    [["/nowhere/at/all"], [REPO, "--ask", "no-such-service"], [REPO, "--forbid", "who:what"], [REPO, "--prices", "/nowhere"],
     [REPO, "--baseline", "/nowhere"], [REPO, "--config", "/nowhere"], [REPO, "--base", "--upload-pack=x"], [REPO, "--check-doc", "/nowhere"]],
)  # fmt: skip
def test_what_cannot_be_analysed_exits_2_with_a_hint(arguments: list[str]):
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: cannot ")
    assert "hint: " in done.stderr


def test_a_document_that_holds_exits_0_and_one_that_does_not_1(tmp_path: Path):
    good, bad = tmp_path / "good.md", tmp_path / "bad.md"
    good.write_text("# DynamoDB\n\nIt is ONLY used for Terraform state locking.\n")
    bad.write_text("# DynamoDB\n\nSee `src/nothing.ts`.\n")
    assert run(REPO, "--check-doc", str(good)).exit_code == 0
    wrong = run(REPO, "--check-doc", str(bad), "--json")
    assert wrong.exit_code == 1
    assert json.loads(wrong.stdout)["document"]["findings"][0]["rule"] == "doc.path_missing"


@pytest.mark.parametrize(
    "form", ["terminal", "markdown", "json", "sarif", "html", "mermaid", "svg", "sequence", "costs"]
)
def test_every_form_is_written_to_a_file_on_request(form: str, tmp_path: Path):
    target = tmp_path / "report"
    done = run(REPO, "--format", form, "--output", str(target))
    assert (done.exit_code, done.stdout) == (0, "")
    assert target.read_text()


def test_the_change_against_a_revision_names_what_it_adds(tmp_path: Path):
    (tmp_path / "package.json").write_text('{"name": "a"}')
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    (tmp_path / "a.ts").write_text(
        'import { bedrock } from "@ai-sdk/amazon-bedrock";\nexport const m = bedrock("x");\n'
    )
    done = run(str(tmp_path), "--base", "HEAD")
    assert done.exit_code == 0
    assert "this change adds Bedrock to the application" in done.stdout
    assert run(str(tmp_path), "--base", "HEAD", "--fail-on-new").exit_code == 1
    assert (
        json.loads(run(str(tmp_path), "--base", "HEAD", "--json").stdout)["changes"]["added"][0]["service"]
        == "aws/bedrock"
    )
    assert run(str(tmp_path), "--base", "no-such-revision").exit_code == 2


def test_a_repository_cannot_make_git_run_its_programs(tmp_path: Path):
    witness = tmp_path / "witness"
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "a.py").write_text("import boto3\nboto3.client('sqs')\n")
    git(repo, "init", "-q")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "one")
    program = repo / "evil.sh"
    program.write_text(f"#!/bin/sh\ntouch {witness}\n")
    program.chmod(0o755)
    for key in (
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
        "diff.external",
        "filter.x.clean",
        "filter.x.smudge",
        "core.alternateRefsCommand",
    ):
        git(repo, "config", key, str(program))
    (repo / ".gitattributes").write_text("* filter=x diff=x\n")
    hook = repo / ".git" / "hooks" / "post-index-change"
    hook.write_text(program.read_text())
    hook.chmod(0o755)
    assert run(str(repo), "--base", "HEAD").exit_code == 0
    assert not witness.exists()


def test_the_rules_file_of_the_repository_is_used(tmp_path: Path):
    (tmp_path / "a.py").write_text("import stripe\nstripe.Charge.create()\n")
    (tmp_path / "review.toml").write_text('forbid = ["app:stripe"]\n')
    assert run(str(tmp_path)).exit_code == 1


def test_sending_without_a_server_fails_and_says_so():
    done = run(REPO, "--send", "--endpoint", "http://127.0.0.1:9", "--token", "t-o-k-e-n")
    assert done.exit_code == 2
    assert "t-o-k-e-n" not in done.stderr + done.stdout
    assert run(REPO, "--send").exit_code == 2
