"""The closed family of problems: one class for each thing that a caller can act on.

A problem has a machine code (`lock.held`), a message for people that names the object, and a hint that names the next
step, a command where there is one. None is made without a hint: it must be given, unless the class knows the one step
that always comes next (`OneStep`). What AWS itself says, word for word, stands alone (`AwsRefusal`).

A problem knows no HTTP status, exit code or XML: each protocol owns one table from code to its answer, and a test
proves each table complete against `ALL_PROBLEMS`. Anything that is not a `Problem` is internal: a request id for the
user, the stack for the log.
"""

from __future__ import annotations

from typing import ClassVar, Final

FROM_A_BACKUP: Final = (
    "lockhouse scrub tells what else is damaged; bring it back as docs/guide/backup-and-restore.md says"
)
"""The step after bytes that are not what was written."""


class Problem(Exception):
    """A refusal that the caller can act on. `details` holds only what every reader of the message may see."""

    code: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str, **details: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class OneStep(Problem):
    """Whatever the message, the same step comes next: the class says it. A hint that is given is nearer, and goes."""

    step: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "", **details: str | int) -> None:
        super().__init__(message, hint=hint or self.step, **details)


class Refusal(Exception):
    """A problem that another process answered: its code may be one that this version does not know."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class LockHeld(Problem):
    """Somebody else holds the lock. `info` is the holder's lock document, byte for byte."""

    code = "lock.held"

    def __init__(self, message: str, *, info: bytes, hint: str, **details: str | int) -> None:
        super().__init__(message, hint=hint, **details)
        self.info = info


class UnderMaintenance(LockHeld):
    """Nobody is given this lock while maintenance stands. `info` is its document, in the form of a lock document;
    `until` is when it ends by itself (seconds since 1970; 0: when somebody ends it)."""

    code = "lock.maintenance"

    def __init__(self, message: str, *, info: bytes, until: float = 0.0, hint: str, **details: str | int) -> None:
        super().__init__(message, info=info, hint=hint, **details)
        self.until = until


class LockMismatch(Problem):
    """An unlock names (or last read) another lock than the one that is held. `info` is what is held, if anything."""

    code = "lock.mismatch"

    def __init__(self, message: str, *, info: bytes = b"", hint: str, **details: str | int) -> None:
        super().__init__(message, hint=hint, **details)
        self.info = info


class LockNotFound(Problem):
    """There is no lock at this address."""

    code = "lock.not_found"


class WriteLocked(Problem):
    """A write while somebody else holds the lock. The bytes were parked."""

    code = "write.locked"


class WriteMaintenance(WriteLocked):
    """A write under maintenance by a run that holds no lock. The bytes were parked."""

    code = "write.maintenance"


class MaintenanceNotFound(Problem):
    """No maintenance stands at this place."""

    code = "maintenance.not_found"


class WriteFenced(Problem):
    """A write by a run whose lock was taken away. The bytes were parked."""

    code = "write.fenced"


class WriteUnlocked(Problem):
    """A write without a lock where `require_lock` is set. The bytes were parked."""

    code = "write.lock_required"


class SerialConflict(Problem):
    """The serial is not newer than the current one and the bytes differ. The bytes were parked."""

    code = "write.serial"


class LineageConflict(Problem):
    """The body belongs to another lineage than the state. The bytes were parked."""

    code = "write.lineage"


class BodyInvalid(Problem):
    """The body is empty, cut off or not JSON, so it cannot be a state."""

    code = "body.invalid"


class BodyTooLarge(Problem):
    """The body is over the documented limit; nothing was read."""

    code = "body.too_large"


class BodyIncomplete(OneStep):
    """The client went away before the whole body had come."""

    code = "body.incomplete"
    step = "send it again: nothing was stored"


class BodyDigestMismatch(OneStep):
    """A digest or checksum that came with the body does not match its bytes."""

    code = "body.digest"
    step = "it was changed on the way, nothing was stored: send it again"


class BodyDigestInvalid(OneStep):
    """A digest or checksum that came with the body cannot be one: wrong length, wrong alphabet, or several."""

    code = "body.digest_invalid"
    step = "let an AWS SDK or the AWS CLI compute it"


class BodyLengthMissing(Problem):
    """The body's length must be announced here and is not."""

    code = "body.length_missing"


class DeleteLocked(Problem):
    """A state cannot be deleted while any lock is held on it, or under maintenance."""

    code = "delete.locked"


class DeleteGuarded(Problem):
    """The state still describes resources and the caller did not say that this is meant. Details: `resources`."""

    code = "delete.resources"


class StateNotFound(Problem):
    """There is no state (or object) at this address, or its newest version is a delete marker."""

    code = "state.not_found"


class StateDeleted(StateNotFound):
    """The newest version is a delete marker. Details: `version_id` of the marker."""

    code = "state.deleted"


class VersionNotFound(Problem):
    """The state has no such version."""

    code = "version.not_found"


class ParkedNotFound(Problem):
    """There is no such parked write."""

    code = "parked.not_found"


class NamespaceNotFound(Problem):
    """There is no such namespace (bucket, organization)."""

    code = "namespace.not_found"


class NamespaceExists(Problem):
    """The namespace exists already."""

    code = "namespace.exists"


class NamespaceInvalid(Problem):
    """The name is not a permitted namespace name."""

    code = "namespace.invalid"


class NamespaceNotEmpty(Problem):
    """The namespace still holds versions, delete markers or unfinished uploads."""

    code = "namespace.not_empty"


class NamespaceConflict(Problem):
    """The namespace cannot be created: ordinary table items already use its name as their prefix."""

    code = "namespace.conflict"


class DocumentNotFound(Problem):
    """A sub-resource of a namespace (policy, lifecycle, …) is not set. Details: `kind`."""

    code = "namespace.document_not_found"


class UploadNotFound(Problem):
    """There is no such multipart upload."""

    code = "upload.not_found"


class UploadPartInvalid(OneStep):
    """A listed part is missing, out of order, too small or has another ETag."""

    code = "upload.part_invalid"
    step = "aws s3api list-parts shows what has come: upload that part again, then complete the upload"


class ConditionFailed(OneStep):
    """An If-Match, If-None-Match or other precondition does not hold."""

    code = "condition.failed"
    step = "read it again, and send the ETag of what is there now"


class WorkspaceNotFound(Problem):
    """There is no such workspace, or (where it is named by its opaque id) none that the caller may see."""

    code = "workspace.not_found"


class WorkspaceExists(Problem):
    """Another workspace of the namespace has this name."""

    code = "workspace.exists"


class WorkspaceAmbiguous(Problem):
    """Several states of the namespace would get this workspace name, so none has it. Details: `candidates`."""

    code = "workspace.ambiguous"


class ProjectNotFound(Problem):
    """There is no such project."""

    code = "project.not_found"


class ProjectExists(Problem):
    """Another project of the namespace has this name, or it still has workspaces."""

    code = "project.exists"


class TableNotFound(Problem):
    """There is no such lock table."""

    code = "table.not_found"


class TableExists(Problem):
    """The table exists already."""

    code = "table.exists"


class AccessDenied(Problem):
    """The principal has no grant for this. Details: `right`."""

    code = "access.denied"


class CredentialUnknown(Problem):
    """The credential is not known, revoked or expired, or none was sent."""

    code = "credential.unknown"


class CredentialExpired(CredentialUnknown):
    """The credential was temporary and its time is over."""

    code = "credential.expired"


class SignatureMissing(OneStep):
    """The request is not signed and this operation has no anonymous form."""

    code = "signature.missing"
    step = "send it with AWS credentials"


class SignatureMalformed(OneStep):
    """The signature's own fields break a rule (scope, date, signed headers). Details: `place`, `header` or `query`."""

    code = "signature.malformed"
    step = "let an AWS SDK or the AWS CLI sign it; docs/reference/s3.md has the rules"


class SignatureUnsupported(OneStep):
    """The request is signed by a scheme that is not spoken here (Signature Version 2, version 4A)."""

    code = "signature.unsupported"
    step = "aws configure set default.s3.signature_version s3v4"


class SignatureMismatch(OneStep):
    """The signature is not the one that the credential's secret makes over this request."""

    code = "signature.mismatch"
    step = "check the secret access key, and that no proxy rewrites Host, Accept-Encoding or Content-Length"


class SignatureSkewed(Problem):
    """The client's clock and ours differ by more than 15 minutes. Details: `request_time`, `server_time`."""

    code = "signature.skewed"


class SignatureExpired(OneStep):
    """The presigned address was valid for a while, and that is over."""

    code = "signature.expired"
    step = "make a new address: aws s3 presign s3://BUCKET/KEY"


class PrincipalNotFound(Problem):
    """There is no such key, role, token or principal."""

    code = "principal.not_found"


class PrincipalExists(Problem):
    """A living key or role has this name already."""

    code = "principal.exists"


class PrincipalNeeded(Problem):
    """Without this key nobody could administer the server any more."""

    code = "principal.needed"


class RequestInvalid(Problem):
    """The request breaks a rule of its protocol. Details: `argument` where one is at fault."""

    code = "request.invalid"


class AwsRefusal(RequestInvalid):
    """What DynamoDB says itself of such a request, word for word: SDKs, tools and people who search the web compare it,
    so nothing of ours may stand behind it. It names the parameter at fault, and what is permitted."""

    def __init__(self, message: str, **details: str | int) -> None:
        super().__init__(message, hint="", **details)


class DocumentMalformed(Problem):
    """The XML or JSON of the request is broken, too deep, too large, or not of the expected form."""

    code = "request.document"


class MethodNotAllowed(Problem):
    """What is named exists and cannot be used with this method. `allow`: those that it has."""

    code = "request.method"

    def __init__(self, message: str, *, allow: str, hint: str = "", **details: str | int) -> None:
        super().__init__(message, hint=hint or f"use {allow}", allow=allow, **details)


class OperationUnsupported(Problem):
    """The operation, or what it asks for, is known and deliberately not offered."""

    code = "request.unsupported"


class RangeUnsatisfiable(Problem):
    """The byte range lies outside the body. Details: `size` in bytes."""

    code = "range.unsatisfiable"


class EncryptionKeyInvalid(Problem):
    """A customer key is missing, malformed or another one than the body was written with. Details: `reason`."""

    code = "encryption.key"


class WebhookExists(Problem):
    """Another webhook has this name."""

    code = "webhook.exists"


class WebhookNotFound(Problem):
    """There is no such webhook."""

    code = "webhook.not_found"


class ReviewNotFound(Problem):
    """There is no such review, or not for this caller."""

    code = "review.not_found"


class ProviderUnavailable(Problem):
    """The identity provider did not answer, or not as one: nobody can sign in through it now."""

    code = "provider.unavailable"


class SlowDown(Problem):
    """Too much at once: ask again later. Details: `retry_after` in seconds."""

    code = "slow_down"


class StorageFull(Problem):
    """The disk or a quota is full: nothing was changed. Reads and unlocks still work."""

    code = "storage.full"


class StorageUnavailable(Problem):
    """The storage did not answer: whether the change happened is unknown; the same request again is safe."""

    code = "storage.unavailable"


class LocalProblem(Problem):
    """What ends a command before any protocol speaks: no protocol's table has it."""

    code = "local"


class SettingInvalid(LocalProblem):
    """A setting is unknown, malformed or out of its range. Details: `setting`."""

    code = "setting.invalid"


class DataInvalid(LocalProblem):
    """The data directory cannot be used: missing, in use by another process, or its master key is unsafe."""

    code = "data.invalid"


class AuditBroken(LocalProblem):
    """The audit log, or an export of it, was changed, cut off or put together differently. Details: `number` of the
    first entry that cannot be trusted."""

    code = "audit.broken"


class ServerUnreachable(LocalProblem):
    """The command found no server, or the server did not answer like one."""

    code = "server.unreachable"


def _family(root: type[Problem]) -> dict[str, type[Problem]]:
    found: dict[str, type[Problem]] = {}
    for child in root.__subclasses__():
        if child is LocalProblem:
            continue
        if "code" in vars(child):
            found[child.code] = child
        found.update(_family(child))
    return found


ALL_PROBLEMS: dict[str, type[Problem]] = _family(Problem)
"""Every code that a user can meet, for the completeness tests of the protocol tables and of the documentation."""

LOCAL_PROBLEMS: dict[str, type[Problem]] = _family(LocalProblem)
"""The codes that only the command line prints."""
