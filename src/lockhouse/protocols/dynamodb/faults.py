"""What DynamoDB can answer instead of success: each fault's `__type` and HTTP status, and the problems it stands for.

This is the room's one error table. Source: Amazon DynamoDB API reference, "Common Errors" and each action's errors;
the prefixes are those that AWS sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from lockhouse.core.attributes import Item

_DYNAMODB = "com.amazonaws.dynamodb.v20120810#"
_CORAL = "com.amazon.coral.service#"


class Fault(Enum):
    """(`__type`, HTTP status)."""

    CONDITION = (_DYNAMODB + "ConditionalCheckFailedException", 400)
    NOT_FOUND = (_DYNAMODB + "ResourceNotFoundException", 400)
    NO_TABLE = (_DYNAMODB + "TableNotFoundException", 400)
    IN_USE = (_DYNAMODB + "ResourceInUseException", 400)
    VALIDATION = ("com.amazon.coral.validate#ValidationException", 400)
    SERIALIZATION = (_CORAL + "SerializationException", 400)
    UNKNOWN_OPERATION = (_CORAL + "UnknownOperationException", 400)
    ACCESS_DENIED = (_CORAL + "AccessDeniedException", 400)
    MISSING_TOKEN = (_CORAL + "MissingAuthenticationTokenException", 400)
    INCOMPLETE_SIGNATURE = (_CORAL + "IncompleteSignatureException", 400)
    INVALID_SIGNATURE = (_CORAL + "InvalidSignatureException", 400)
    EXPIRED_TOKEN = (_CORAL + "ExpiredTokenException", 400)
    UNRECOGNIZED_CLIENT = (_CORAL + "UnrecognizedClientException", 400)
    THROTTLING = ("com.amazon.coral.availability#ThrottlingException", 400)
    TOO_LARGE = (_CORAL + "RequestEntityTooLarge", 413)
    INTERNAL = (_DYNAMODB + "InternalServerError", 500)
    UNAVAILABLE = (_CORAL + "ServiceUnavailableException", 503)

    @property
    def type(self) -> str:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]


class Refusal(Exception):
    """A request that is no DynamoDB request: only this protocol has such faults."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message


class ConditionRefused(Exception):
    """A condition did not hold. `item` is what is there, if the client wants to be shown it."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("The conditional request failed")
        self.item = item


FAULTS: Mapping[str, Fault] = {
    "lock.held": Fault.CONDITION,
    "lock.maintenance": Fault.CONDITION,
    "lock.mismatch": Fault.CONDITION,
    "lock.not_found": Fault.NOT_FOUND,
    "write.locked": Fault.CONDITION,
    "write.maintenance": Fault.CONDITION,
    "write.fenced": Fault.CONDITION,
    "write.lock_required": Fault.CONDITION,
    "write.serial": Fault.CONDITION,
    "write.lineage": Fault.CONDITION,
    "body.invalid": Fault.VALIDATION,
    "body.too_large": Fault.TOO_LARGE,
    "body.incomplete": Fault.SERIALIZATION,
    "body.digest": Fault.VALIDATION,
    "body.digest_invalid": Fault.VALIDATION,
    "body.length_missing": Fault.SERIALIZATION,
    "delete.resources": Fault.CONDITION,
    "delete.locked": Fault.CONDITION,
    "state.not_found": Fault.NOT_FOUND,
    "state.deleted": Fault.NOT_FOUND,
    "version.not_found": Fault.NOT_FOUND,
    "parked.not_found": Fault.NOT_FOUND,
    "review.not_found": Fault.NOT_FOUND,
    "webhook.exists": Fault.IN_USE,
    "webhook.not_found": Fault.NOT_FOUND,
    "maintenance.not_found": Fault.NOT_FOUND,
    "namespace.not_found": Fault.NOT_FOUND,
    "namespace.exists": Fault.IN_USE,
    "namespace.invalid": Fault.VALIDATION,
    "namespace.not_empty": Fault.IN_USE,
    "namespace.conflict": Fault.IN_USE,
    "namespace.document_not_found": Fault.NOT_FOUND,
    "upload.not_found": Fault.NOT_FOUND,
    "upload.part_invalid": Fault.VALIDATION,
    "condition.failed": Fault.CONDITION,
    "table.not_found": Fault.NOT_FOUND,
    "table.exists": Fault.IN_USE,
    "workspace.not_found": Fault.NOT_FOUND,
    "workspace.exists": Fault.IN_USE,
    "workspace.ambiguous": Fault.VALIDATION,
    "project.not_found": Fault.NOT_FOUND,
    "project.exists": Fault.IN_USE,
    "access.denied": Fault.ACCESS_DENIED,
    "credential.unknown": Fault.UNRECOGNIZED_CLIENT,
    "credential.expired": Fault.EXPIRED_TOKEN,
    "signature.missing": Fault.MISSING_TOKEN,
    "signature.malformed": Fault.INCOMPLETE_SIGNATURE,
    "signature.unsupported": Fault.INCOMPLETE_SIGNATURE,
    "signature.mismatch": Fault.INVALID_SIGNATURE,
    "signature.skewed": Fault.INVALID_SIGNATURE,
    "signature.expired": Fault.INVALID_SIGNATURE,
    "principal.not_found": Fault.NOT_FOUND,
    "principal.exists": Fault.IN_USE,
    "principal.needed": Fault.IN_USE,
    "request.invalid": Fault.VALIDATION,
    "request.document": Fault.SERIALIZATION,
    "request.method": Fault.VALIDATION,
    "request.unsupported": Fault.VALIDATION,
    "range.unsatisfiable": Fault.VALIDATION,
    "encryption.key": Fault.VALIDATION,
    "provider.unavailable": Fault.UNAVAILABLE,
    "slow_down": Fault.THROTTLING,
    "storage.full": Fault.UNAVAILABLE,
    "storage.unavailable": Fault.UNAVAILABLE,
}
"""The answer to each problem, by its code."""

AWS_MESSAGES: Mapping[str, str] = {
    "lock.held": "The conditional request failed",
    "condition.failed": "The conditional request failed",
    "credential.unknown": "The security token included in the request is invalid.",
    "credential.expired": "The security token included in the request is expired",
}
"""Where clients know AWS's words, they get those and not ours."""
