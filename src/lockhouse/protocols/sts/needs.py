"""What each action of STS and IAM needs. Vocabulary: `core.needs`."""

from __future__ import annotations

from lockhouse.core import needs
from lockhouse.core.needs import Need, Open, Proof
from lockhouse.protocols.sts.routes import ROUTES, Access

_BY_ACCESS: dict[Access, tuple[Need, ...]] = {
    Access.CREDENTIAL: (needs.VERIFIED,),
    Access.LASTING: (Need("itself", note="an access key that is not temporary"),),
    Access.TRUSTED: (Need("a role", note="whom the role trusts: `lockhouse role trust`"),),
}
NEEDS: dict[str, tuple[Need, ...]] = {f"{route.service}:{route.action}": _BY_ACCESS[route.access] for route in ROUTES}
"""By service and action."""
OPEN: dict[str, Open] = {
    "sts:AssumeRoleWithWebIdentity": Open(Proof.JOB, "gives temporary AWS credentials for the job's run"),
}
"""What nobody signs, by service and action."""
