"""What belongs to remote execution: lists are empty, and asking for it gets the API's own clear error, never a hang."""

from __future__ import annotations

from lockhouse.errors import OperationUnsupported
from lockhouse.protocols.tfe.call import Call, respond
from lockhouse.protocols.tfe.operations.workspaces import REMOTE, by_id
from lockhouse.protocols.tfe.wire import page_of
from lockhouse.protocols.web import Response
from lockhouse.service import namespaces

VARIABLES = "variables are not kept here: with local execution terraform reads them where it runs (TF_VAR_…, *.tfvars)"


async def empty_of_workspace(call: Call) -> Response:
    await by_id(call)
    return respond(page_of([], call.query, 0))


async def empty_of_organization(call: Call) -> Response:
    caller, name = call.caller, call["org"]
    await call.house.read(lambda tx: namespaces.get(tx, caller, name))
    return respond(page_of([], call.query, 0))


async def refuse_run(call: Call) -> Response:
    del call
    raise OperationUnsupported(f"cannot start a run: {REMOTE}", hint="run it where Terraform is: terraform plan")


async def refuse_variable(call: Call) -> Response:
    del call
    raise OperationUnsupported(f"cannot set a variable: {VARIABLES}", hint="set it where Terraform runs: TF_VAR_NAME")
