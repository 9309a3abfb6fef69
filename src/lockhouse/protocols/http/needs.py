"""What each act on an address needs. Vocabulary: `core.needs`."""

from __future__ import annotations

from lockhouse.core import needs
from lockhouse.core.needs import Need, need
from lockhouse.core.principals import Right
from lockhouse.protocols.http.wire import Act

_UNNAMED = need("another's lock", Right.FORCE_UNLOCK, note="or without naming the lock id")
NEEDS: dict[Act, tuple[Need, ...]] = {
    Act.READ: (needs.READ_OR_OUTPUTS,),
    Act.WRITE: (needs.ADVANCE,),
    Act.DELETE: (needs.WRITE,),
    Act.LOCK: (needs.TAKE,),
    Act.UNLOCK: (needs.RELEASE, _UNNAMED),
    Act.SHOW_LOCK: (needs.SEE_LOCK,),
}
