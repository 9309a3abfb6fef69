"""What each operation of S3 needs. Vocabulary: `core.needs`."""

from __future__ import annotations

from lockhouse.core import needs
from lockhouse.core.needs import Need, need
from lockhouse.core.principals import Right
from lockhouse.protocols.s3.routes import ROUTES, Access

_LIST = (need("a prefix", Right.READ, Right.READ_OUTPUTS, Right.LOCK, note="names are shown, not contents"),)
_READ_PREFIX = (need("a prefix", Right.READ),)
_OBJECT = need(
    "an object", Right.READ, Right.READ_OUTPUTS, note="`read-outputs`: of states, a document of outputs only"
)
_WRITE = need("an object", Right.WRITE)
_PUT = need("an object", Right.APPLY, Right.WRITE, note="of a state, an override: `write`")
_DELETE = (_WRITE, needs.RELEASE, needs.FORCE)
_COPY = (need("an object", Right.APPLY, Right.WRITE, also=(Right.READ,), note="`read` on the source"),)
_BY_NAME: dict[str, tuple[Need, ...]] = {
    "ListObjects": _LIST,
    "ListObjectsV2": _LIST,
    "ListObjectVersions": _LIST,
    "ListMultipartUploads": _READ_PREFIX,
    "GetObject": (_OBJECT, needs.SEE_LOCK),
    "HeadObject": (_OBJECT, needs.SEE_LOCK),
    "GetObjectTagging": (need("an object", Right.READ),),
    "GetObjectAcl": (need("an object", Right.READ),),
    "GetObjectAttributes": (need("an object", Right.READ),),
    "PutObject": (_PUT, needs.TAKE),
    "CreateMultipartUpload": (_PUT,),
    "UploadPart": (_PUT,),
    "ListParts": (_PUT,),
    "CompleteMultipartUpload": (_PUT,),
    "AbortMultipartUpload": (_PUT,),
    "CopyObject": _COPY,
    "UploadPartCopy": _COPY,
    "DeleteObject": _DELETE,
    "DeleteObjects": _DELETE,
}
_BY_ACCESS: dict[Access, tuple[Need, ...]] = {
    Access.NOTHING: (needs.SHOWN,),
    Access.ANY_GRANT: (needs.IN_NAMESPACE,),
    Access.READ: (need("a namespace", Right.READ),),
    Access.WRITE: (_WRITE,),
    Access.ADMIN: (needs.ADMIN_OF_NAMESPACE,),
}
NEEDS: dict[str, tuple[Need, ...]] = {
    route.name: _BY_NAME.get(route.name) or _BY_ACCESS[route.access] for route in ROUTES
}
"""By AWS's name of the operation."""
