"""Refusals of a worker, as Holdfast reads them: a status that says why, who acts, and that nothing happened."""

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import code_pb2, error_details_pb2, status_pb2

REASONS = {  # the gRPC code, and the class: who acts
    "WRONG_INCARNATION": ("FAILED_PRECONDITION", "TRANSIENT"),
    "TOO_LATE": ("FAILED_PRECONDITION", "TRANSIENT"),
    "STALE_EPOCH": ("ABORTED", "TRANSIENT"),
    "TOOL_GONE": ("NOT_FOUND", "UNAVAILABLE"),
    "BAD_ARGUMENTS": ("INVALID_ARGUMENT", "SEMANTIC"),
    "KEY_MISMATCH": ("FAILED_PRECONDITION", "SEMANTIC"),
    "NO_CAPACITY": ("RESOURCE_EXHAUSTED", "RATE_LIMITED"),
    "WRONG_TOKEN": ("UNAUTHENTICATED", "PERMANENT"),
    "UNIMPLEMENTED": ("FAILED_PRECONDITION", "PERMANENT"),
}


def refuse(context, reason, message, outcome="NOT_EXECUTED", **metadata):
    """Ends an rpc, by raising. A code without the details could as well be a proxy's, and would prove nothing."""
    code, who = REASONS[reason]
    metadata |= {"outcome": outcome, "class": who if outcome == "NOT_EXECUTED" else "AMBIGUOUS"}
    details = [packed(error_details_pb2.ErrorInfo(domain="holdfast.dev", reason=reason, metadata=metadata))]
    if reason == "NO_CAPACITY":
        wait = error_details_pb2.RetryInfo()
        wait.retry_delay.FromMilliseconds(100)
        details.append(packed(wait))
    status = status_pb2.Status(code=code_pb2.Code.Value(code), message=message, details=details)
    context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
    context.abort(grpc.StatusCode[code], message)


def packed(message):
    any_message = Any()
    any_message.Pack(message)
    return any_message
