"""The tools of the example: one that reads, one with a side effect that can be asked about, one that takes long.

A tool is a function of its attempt and its arguments, and a manifest that says what a repeat of it is.
"""

import fcntl
import json
import os
from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from attempt import ToolError
from holdfast.v1 import common_pb2 as v1

LEDGER = Path(os.environ.get("LEDGER", "ledger.jsonl"))


def word_count(call, text):
    """Counts the words and the letters of a text."""
    return {"words": len(text.split()), "letters": sum(map(str.isalpha, text))}


def post_invoice(call, customer, cents, linger_ms=0):
    """Posts an invoice to the ledger. A repeat would post it twice, but the ledger can be asked for a key."""
    if cents <= 0:
        raise ToolError("an invoice has a positive amount")
    posted = {"key": call.key, "customer": customer, "cents": cents, "worker": call.worker_id}
    # From here on nobody may repeat the call blindly. A call that was fenced, cancelled or is late stops here.
    call.before_effect()
    with LEDGER.open("a") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)
        ledger.write(json.dumps(posted) + "\n")
        ledger.flush()
        os.fsync(ledger.fileno())
    call.pause(linger_ms / 1000)  # a slow bank, for whoever wants to kill the worker right here
    return {"posted": True, "cents": cents}


post_invoice.has_gate = True  # it calls `before_effect` itself; of other tools the worker calls it at their start


def invoice_was_posted(key, customer, cents, linger_ms=0):
    """The probe: did the operation of this key happen? Its result, or None."""
    lines = LEDGER.read_text().splitlines() if LEDGER.exists() else []
    found = any(json.loads(line)["key"] == key for line in lines)
    return {"posted": True, "cents": cents} if found else None


def render_report(call, pages, page_ms=200):
    """Renders a report, page by page: it says how far it is, and ends early when it is told to."""
    for page in range(pages):
        call.pause(page_ms / 1000)  # raises where the call was cancelled
        call.progress(100 * (page + 1) // pages, f"page {page + 1} of {pages}")
    return {"pages": pages}


def manifest(function, side_effect, probe=None, required=(), optional=(), **more):
    """Says of a tool what Holdfast has to know; the schema's types are those of JSON Schema."""
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in (*required, *optional)},
        "required": [name for name, _ in required],
        "additionalProperties": False,
    }
    return v1.ToolManifest(
        name=function.__name__,
        description=function.__doc__,
        input_schema_json=json.dumps(schema),
        side_effect=side_effect,
        **more,
    ), function, probe


TOOLS = {
    described.name: (described, function, probe)
    for described, function, probe in [
        # READ_ONLY: a repeat is harmless, so Holdfast repeats it as it likes.
        manifest(word_count, v1.SIDE_EFFECT_READ_ONLY, required=[("text", "string")]),
        # VERIFIABLE: never repeated before the probe has said that it did not happen.
        manifest(
            post_invoice,
            v1.SIDE_EFFECT_VERIFIABLE,
            probe=invoice_was_posted,
            required=[("customer", "string"), ("cents", "integer")],
            optional=[("linger_ms", "integer")],
            attempt_timeout=Duration(seconds=10),
            # How long a write may still be under way when its worker has died: then "not posted" is believed.
            settles_within=Duration(seconds=1),
        ),
        manifest(
            render_report,
            v1.SIDE_EFFECT_READ_ONLY,
            required=[("pages", "integer")],
            optional=[("page_ms", "integer")],
        ),
    ]
}
