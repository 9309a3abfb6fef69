"""The whole life of a project, the same for every block."""

from __future__ import annotations

import json

from tests.e2e.terraform import Terraform

OUTPUTS = 'output "name" {\n  value = "x"\n}\noutput "secret" {\n  value     = "y"\n  sensitive = true\n}\n'


def resource(name: str) -> str:
    """One built-in resource whose arguments do not depend on its name."""
    return f'resource "terraform_data" "{name}" {{\n  input = "same"\n}}\n'


def live(ann: Terraform) -> None:
    """From init to destroy: apply, output, state mv, rm, pull and push, import."""
    ann.write("main.tf", resource("one") + OUTPUTS)
    ann.init()
    ann.apply()
    assert ann.ok("output", "-raw", "name").stdout == "x"
    assert ann.ok("output", "-raw", "secret").stdout == "y"
    assert ann.resources() == ["terraform_data.one"]
    ann.ok("state", "mv", "terraform_data.one", "terraform_data.two")
    ann.write("main.tf", resource("two") + OUTPUTS)
    assert "No changes" in ann.ok("plan", "-input=false").text
    pulled = ann.state()
    ann.ok("state", "rm", "terraform_data.two")
    assert ann.resources() == []
    ann.ok("import", "-input=false", "terraform_data.two", "an-id")
    assert ann.resources() == ["terraform_data.two"]
    pulled["serial"] = int(str(pulled["serial"])) + 10
    ann.write("old.tfstate", json.dumps(pulled))
    ann.ok("state", "push", "old.tfstate")
    assert ann.state()["resources"] == pulled["resources"]
    assert "No changes" in ann.ok("plan", "-input=false").text
    ann.ok("destroy", "-auto-approve", "-input=false")
    assert ann.resources() == []
