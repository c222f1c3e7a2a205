"""The names of everything that is put on a span, and of the conventions that some of them come from.

`database` and `rpc` names are those of OpenTelemetry's semantic conventions, of the version that `SCHEMA_URL`
says, where both are stable. The names of generative AI have had a repository of their own since 2026 and are
marked as deprecated in the constants on PyPI, so they are spelled here; so are those of OpenInference.

``statehouse.read.ts`` is the state that somebody saw, ``statehouse.commit.ts`` the state that somebody made.
The two are never one attribute. All integers are below 2^53.
"""

from __future__ import annotations

from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.45.0"
"""The version of the semantic conventions."""

# Where, and whose.
STORE_ID: Final = "statehouse.store.id"
STORE_EPOCH: Final = "statehouse.store.epoch"
"""Grows when history is replaced, so that an old link cannot hit a number that was used again."""
NAMESPACE: Final = "statehouse.namespace"
AGENT_ID: Final = "statehouse.agent.id"
RUN_ID: Final = "statehouse.run.id"

# Steps.
STEP_NAME: Final = "statehouse.step.name"
STEP_PATH: Final = "statehouse.step.path"
STEP_ORDINAL: Final = "statehouse.step.ordinal"
STEP_ATTEMPT: Final = "statehouse.step.attempt"
STEP_STATUS: Final = "statehouse.step.status"
"""``executed``, ``recorded``, ``conflicted``, ``failed`` or ``unknown``."""
INPUT_HASH: Final = "statehouse.input.hash"
OUTPUT_HASH: Final = "statehouse.output.hash"
CONFLICT_COUNT: Final = "statehouse.conflict.count"
DEBUG_MODE: Final = "statehouse.debug.mode"
DEBUG_OF_RUN_ID: Final = "statehouse.debug.of_run_id"

# Reads and commits.
READ_TS: Final = "statehouse.read.ts"
COMMIT_TS: Final = "statehouse.commit.ts"
"""Set from the acknowledgement of the commit, and from nothing else."""
COMMIT_REPEATED: Final = "statehouse.commit.repeated"
COMMIT_KEYS_COUNT: Final = "statehouse.commit.keys.count"
COMMIT_KEYS: Final = "statehouse.commit.keys"
"""The names of the keys, one a line; only where content is captured."""
STATE_REF: Final = "statehouse.state.ref"
"""``sh://store/epoch/namespace@ts``, which the command line takes as it is."""
EVENTS_COUNT: Final = "statehouse.events.count"

# OpenTelemetry: general.
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

# OpenTelemetry: databases.
DB_SYSTEM_NAME: Final = "db.system.name"
DB_NAMESPACE: Final = "db.namespace"
DB_OPERATION_NAME: Final = "db.operation.name"
DB_OPERATION_BATCH_SIZE: Final = "db.operation.batch.size"
DB_RESPONSE_STATUS_CODE: Final = "db.response.status_code"

# OpenTelemetry: remote procedure calls.
RPC_SYSTEM_NAME: Final = "rpc.system.name"
RPC_METHOD: Final = "rpc.method"
RPC_RESPONSE_STATUS_CODE: Final = "rpc.response.status_code"

# OpenTelemetry: generative AI.
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_AGENT_NAME: Final = "gen_ai.agent.name"
GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
GEN_AI_TOOL_NAME: Final = "gen_ai.tool.name"

# OpenInference.
OPENINFERENCE_SPAN_KIND: Final = "openinference.span.kind"
SESSION_ID: Final = "session.id"
INPUT_VALUE: Final = "input.value"
INPUT_MIME_TYPE: Final = "input.mime_type"
OUTPUT_VALUE: Final = "output.value"
OUTPUT_MIME_TYPE: Final = "output.mime_type"


def state_ref(store_id: str, epoch: int, namespace: str, commit_ts: int) -> str:
    """Gives the reference of a namespace's state as of a commit."""
    return f"sh://{store_id}/{epoch}/{namespace}@{commit_ts}"
