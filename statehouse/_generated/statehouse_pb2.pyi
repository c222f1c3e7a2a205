from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OK: _ClassVar[ErrorCode]
    NOT_FOUND: _ClassVar[ErrorCode]
    ALREADY_EXISTS: _ClassVar[ErrorCode]
    TRANSACTION_EXPIRED: _ClassVar[ErrorCode]
    INVALID_ARGUMENT: _ClassVar[ErrorCode]
    INTERNAL_ERROR: _ClassVar[ErrorCode]
    LIMIT_EXCEEDED: _ClassVar[ErrorCode]
    UNAUTHENTICATED: _ClassVar[ErrorCode]
    PERMISSION_DENIED: _ClassVar[ErrorCode]
    COMPACTED: _ClassVar[ErrorCode]
    ERASED: _ClassVar[ErrorCode]
    STORE_CHANGED: _ClassVar[ErrorCode]
    TRANSACTION: _ClassVar[ErrorCode]
    TRANSACTION_CLOSED: _ClassVar[ErrorCode]
    TRANSACTION_NOT_FOUND: _ClassVar[ErrorCode]
    CONFLICT: _ClassVar[ErrorCode]
    PRECONDITION_FAILED: _ClassVar[ErrorCode]
    STEP: _ClassVar[ErrorCode]
    STEP_MISMATCH: _ClassVar[ErrorCode]
    STEP_CONFLICT: _ClassVar[ErrorCode]
    STEP_NESTING: _ClassVar[ErrorCode]
    CONNECTION: _ClassVar[ErrorCode]
    DEADLINE_EXCEEDED: _ClassVar[ErrorCode]
    OVERLOADED: _ClassVar[ErrorCode]
    OUTCOME_UNKNOWN: _ClassVar[ErrorCode]
    ENGINE: _ClassVar[ErrorCode]
    DIRECTORY_LOCKED: _ClassVar[ErrorCode]
    FORKED_PROCESS: _ClassVar[ErrorCode]
    FORMAT_VERSION: _ClassVar[ErrorCode]
    CORRUPTION: _ClassVar[ErrorCode]
    REFUSING_WRITES: _ClassVar[ErrorCode]

class ValueForm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VALUES_AS_STRUCT: _ClassVar[ValueForm]
    VALUES_AS_PAYLOAD: _ClassVar[ValueForm]
    VALUES_LEFT_OUT: _ClassVar[ValueForm]

class OperationKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_NONE: _ClassVar[OperationKind]
    KIND_WRITE: _ClassVar[OperationKind]
    KIND_DELETE: _ClassVar[OperationKind]
    KIND_ERASED: _ClassVar[OperationKind]

class OriginKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORIGIN_NONE: _ClassVar[OriginKind]
    ORIGIN_TRACE: _ClassVar[OriginKind]
    ORIGIN_SPAN: _ClassVar[OriginKind]
    ORIGIN_RUN: _ClassVar[OriginKind]
    ORIGIN_TXN: _ClassVar[OriginKind]
OK: ErrorCode
NOT_FOUND: ErrorCode
ALREADY_EXISTS: ErrorCode
TRANSACTION_EXPIRED: ErrorCode
INVALID_ARGUMENT: ErrorCode
INTERNAL_ERROR: ErrorCode
LIMIT_EXCEEDED: ErrorCode
UNAUTHENTICATED: ErrorCode
PERMISSION_DENIED: ErrorCode
COMPACTED: ErrorCode
ERASED: ErrorCode
STORE_CHANGED: ErrorCode
TRANSACTION: ErrorCode
TRANSACTION_CLOSED: ErrorCode
TRANSACTION_NOT_FOUND: ErrorCode
CONFLICT: ErrorCode
PRECONDITION_FAILED: ErrorCode
STEP: ErrorCode
STEP_MISMATCH: ErrorCode
STEP_CONFLICT: ErrorCode
STEP_NESTING: ErrorCode
CONNECTION: ErrorCode
DEADLINE_EXCEEDED: ErrorCode
OVERLOADED: ErrorCode
OUTCOME_UNKNOWN: ErrorCode
ENGINE: ErrorCode
DIRECTORY_LOCKED: ErrorCode
FORKED_PROCESS: ErrorCode
FORMAT_VERSION: ErrorCode
CORRUPTION: ErrorCode
REFUSING_WRITES: ErrorCode
VALUES_AS_STRUCT: ValueForm
VALUES_AS_PAYLOAD: ValueForm
VALUES_LEFT_OUT: ValueForm
KIND_NONE: OperationKind
KIND_WRITE: OperationKind
KIND_DELETE: OperationKind
KIND_ERASED: OperationKind
ORIGIN_NONE: OriginKind
ORIGIN_TRACE: OriginKind
ORIGIN_SPAN: OriginKind
ORIGIN_RUN: OriginKind
ORIGIN_TXN: OriginKind

class HealthRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class HealthResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: str
    def __init__(self, status: _Optional[str] = ...) -> None: ...

class VersionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VersionResponse(_message.Message):
    __slots__ = ("version", "git_sha")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    GIT_SHA_FIELD_NUMBER: _ClassVar[int]
    version: str
    git_sha: str
    def __init__(self, version: _Optional[str] = ..., git_sha: _Optional[str] = ...) -> None: ...

class BeginTransactionRequest(_message.Message):
    __slots__ = ("timeout_ms",)
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    timeout_ms: int
    def __init__(self, timeout_ms: _Optional[int] = ...) -> None: ...

class BeginTransactionResponse(_message.Message):
    __slots__ = ("txn_id",)
    TXN_ID_FIELD_NUMBER: _ClassVar[int]
    txn_id: str
    def __init__(self, txn_id: _Optional[str] = ...) -> None: ...

class WriteRequest(_message.Message):
    __slots__ = ("txn_id", "namespace", "agent_id", "key", "value")
    TXN_ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    txn_id: str
    namespace: str
    agent_id: str
    key: str
    value: _struct_pb2.Struct
    def __init__(self, txn_id: _Optional[str] = ..., namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class WriteResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("txn_id", "namespace", "agent_id", "key")
    TXN_ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    txn_id: str
    namespace: str
    agent_id: str
    key: str
    def __init__(self, txn_id: _Optional[str] = ..., namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CommitRequest(_message.Message):
    __slots__ = ("txn_id",)
    TXN_ID_FIELD_NUMBER: _ClassVar[int]
    txn_id: str
    def __init__(self, txn_id: _Optional[str] = ...) -> None: ...

class CommitResponse(_message.Message):
    __slots__ = ("commit_ts",)
    COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    commit_ts: int
    def __init__(self, commit_ts: _Optional[int] = ...) -> None: ...

class AbortRequest(_message.Message):
    __slots__ = ("txn_id",)
    TXN_ID_FIELD_NUMBER: _ClassVar[int]
    txn_id: str
    def __init__(self, txn_id: _Optional[str] = ...) -> None: ...

class AbortResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStateRequest(_message.Message):
    __slots__ = ("namespace", "agent_id", "key", "at_commit_ts", "values")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    AT_COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    agent_id: str
    key: str
    at_commit_ts: int
    values: ValueForm
    def __init__(self, namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., key: _Optional[str] = ..., at_commit_ts: _Optional[int] = ..., values: _Optional[_Union[ValueForm, str]] = ...) -> None: ...

class GetStateResponse(_message.Message):
    __slots__ = ("value", "version", "commit_ts", "exists", "payload", "read_ts", "kind")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    READ_TS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    value: _struct_pb2.Struct
    version: int
    commit_ts: int
    exists: bool
    payload: Payload
    read_ts: int
    kind: OperationKind
    def __init__(self, value: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., version: _Optional[int] = ..., commit_ts: _Optional[int] = ..., exists: bool = ..., payload: _Optional[_Union[Payload, _Mapping]] = ..., read_ts: _Optional[int] = ..., kind: _Optional[_Union[OperationKind, str]] = ...) -> None: ...

class GetStateAtVersionRequest(_message.Message):
    __slots__ = ("namespace", "agent_id", "key", "version", "values")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    agent_id: str
    key: str
    version: int
    values: ValueForm
    def __init__(self, namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., key: _Optional[str] = ..., version: _Optional[int] = ..., values: _Optional[_Union[ValueForm, str]] = ...) -> None: ...

class GetStateAtVersionResponse(_message.Message):
    __slots__ = ("value", "version", "commit_ts", "exists", "payload", "read_ts", "kind")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    READ_TS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    value: _struct_pb2.Struct
    version: int
    commit_ts: int
    exists: bool
    payload: Payload
    read_ts: int
    kind: OperationKind
    def __init__(self, value: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., version: _Optional[int] = ..., commit_ts: _Optional[int] = ..., exists: bool = ..., payload: _Optional[_Union[Payload, _Mapping]] = ..., read_ts: _Optional[int] = ..., kind: _Optional[_Union[OperationKind, str]] = ...) -> None: ...

class ListKeysRequest(_message.Message):
    __slots__ = ("namespace", "agent_id", "at_commit_ts", "limit", "cursor", "prefix")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    AT_COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    agent_id: str
    at_commit_ts: int
    limit: int
    cursor: str
    prefix: str
    def __init__(self, namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., at_commit_ts: _Optional[int] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ..., prefix: _Optional[str] = ...) -> None: ...

class ListKeysResponse(_message.Message):
    __slots__ = ("keys", "cursor", "read_ts")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    READ_TS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    cursor: str
    read_ts: int
    def __init__(self, keys: _Optional[_Iterable[str]] = ..., cursor: _Optional[str] = ..., read_ts: _Optional[int] = ...) -> None: ...

class ScanPrefixRequest(_message.Message):
    __slots__ = ("namespace", "agent_id", "prefix", "at_commit_ts", "values", "limit", "cursor", "after", "reverse")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    AT_COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    REVERSE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    agent_id: str
    prefix: str
    at_commit_ts: int
    values: ValueForm
    limit: int
    cursor: str
    after: str
    reverse: bool
    def __init__(self, namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., prefix: _Optional[str] = ..., at_commit_ts: _Optional[int] = ..., values: _Optional[_Union[ValueForm, str]] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ..., after: _Optional[str] = ..., reverse: bool = ...) -> None: ...

class ScanPrefixResponse(_message.Message):
    __slots__ = ("entries", "cursor", "read_ts")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    READ_TS_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[StateEntry]
    cursor: str
    read_ts: int
    def __init__(self, entries: _Optional[_Iterable[_Union[StateEntry, _Mapping]]] = ..., cursor: _Optional[str] = ..., read_ts: _Optional[int] = ...) -> None: ...

class StateEntry(_message.Message):
    __slots__ = ("key", "value", "version", "commit_ts", "payload", "kind")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: _struct_pb2.Struct
    version: int
    commit_ts: int
    payload: Payload
    kind: OperationKind
    def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., version: _Optional[int] = ..., commit_ts: _Optional[int] = ..., payload: _Optional[_Union[Payload, _Mapping]] = ..., kind: _Optional[_Union[OperationKind, str]] = ...) -> None: ...

class ReplayRequest(_message.Message):
    __slots__ = ("namespace", "agent_id", "start_ts", "end_ts")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    START_TS_FIELD_NUMBER: _ClassVar[int]
    END_TS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    agent_id: str
    start_ts: int
    end_ts: int
    def __init__(self, namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., start_ts: _Optional[int] = ..., end_ts: _Optional[int] = ...) -> None: ...

class ReplayEvent(_message.Message):
    __slots__ = ("txn_id", "commit_ts", "operations", "committed_at_us", "origin")
    TXN_ID_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    txn_id: str
    commit_ts: int
    operations: _containers.RepeatedCompositeFieldContainer[Operation]
    committed_at_us: int
    origin: Origin
    def __init__(self, txn_id: _Optional[str] = ..., commit_ts: _Optional[int] = ..., operations: _Optional[_Iterable[_Union[Operation, _Mapping]]] = ..., committed_at_us: _Optional[int] = ..., origin: _Optional[_Union[Origin, _Mapping]] = ...) -> None: ...

class Operation(_message.Message):
    __slots__ = ("key", "value", "version", "kind", "payload", "namespace", "agent_id")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: _struct_pb2.Struct
    version: int
    kind: OperationKind
    payload: Payload
    namespace: str
    agent_id: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., version: _Optional[int] = ..., kind: _Optional[_Union[OperationKind, str]] = ..., payload: _Optional[_Union[Payload, _Mapping]] = ..., namespace: _Optional[str] = ..., agent_id: _Optional[str] = ...) -> None: ...

class StatehouseError(_message.Message):
    __slots__ = ("code", "message", "details")
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    code: ErrorCode
    message: str
    details: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[_Union[ErrorCode, str]] = ..., message: _Optional[str] = ..., details: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Payload(_message.Message):
    __slots__ = ("content_type", "data")
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    content_type: str
    data: bytes
    def __init__(self, content_type: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class Origin(_message.Message):
    __slots__ = ("trace_id", "span_id", "agent_id", "run_id", "step", "attributes")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    span_id: str
    agent_id: str
    run_id: str
    step: str
    attributes: _containers.ScalarMap[str, str]
    def __init__(self, trace_id: _Optional[str] = ..., span_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., run_id: _Optional[str] = ..., step: _Optional[str] = ..., attributes: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RecordName(_message.Message):
    __slots__ = ("namespace", "agent_id", "key")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    agent_id: str
    key: str
    def __init__(self, namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("namespace", "agent_id", "key", "payload", "value", "delete", "extension")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    EXTENSION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    agent_id: str
    key: str
    payload: Payload
    value: _struct_pb2.Struct
    delete: Tombstone
    extension: Extension
    def __init__(self, namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., key: _Optional[str] = ..., payload: _Optional[_Union[Payload, _Mapping]] = ..., value: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., delete: _Optional[_Union[Tombstone, _Mapping]] = ..., extension: _Optional[_Union[Extension, _Mapping]] = ...) -> None: ...

class Tombstone(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Extension(_message.Message):
    __slots__ = ("base", "base_version", "parts", "content_type")
    BASE_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    base: RecordName
    base_version: int
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    content_type: str
    def __init__(self, base: _Optional[_Union[RecordName, _Mapping]] = ..., base_version: _Optional[int] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., content_type: _Optional[str] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("copy", "data")
    COPY_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    copy: ByteRange
    data: bytes
    def __init__(self, copy: _Optional[_Union[ByteRange, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class ByteRange(_message.Message):
    __slots__ = ("start", "stop")
    START_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    start: int
    stop: int
    def __init__(self, start: _Optional[int] = ..., stop: _Optional[int] = ...) -> None: ...

class KeyRange(_message.Message):
    __slots__ = ("namespace", "agent_id", "prefix", "first", "last", "keys_only")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    KEYS_ONLY_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    agent_id: str
    prefix: str
    first: str
    last: str
    keys_only: bool
    def __init__(self, namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., prefix: _Optional[str] = ..., first: _Optional[str] = ..., last: _Optional[str] = ..., keys_only: bool = ...) -> None: ...

class Precondition(_message.Message):
    __slots__ = ("name", "version", "commit_ts")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    name: RecordName
    version: int
    commit_ts: int
    def __init__(self, name: _Optional[_Union[RecordName, _Mapping]] = ..., version: _Optional[int] = ..., commit_ts: _Optional[int] = ...) -> None: ...

class CommitTransactionRequest(_message.Message):
    __slots__ = ("txn_id", "changes", "read_ts", "reads", "ranges", "preconditions", "origin", "made_at_ts", "store_id", "epoch", "committed_at_us", "timeout_ms")
    TXN_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    READ_TS_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    RANGES_FIELD_NUMBER: _ClassVar[int]
    PRECONDITIONS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    MADE_AT_TS_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    txn_id: str
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    read_ts: int
    reads: _containers.RepeatedCompositeFieldContainer[RecordName]
    ranges: _containers.RepeatedCompositeFieldContainer[KeyRange]
    preconditions: _containers.RepeatedCompositeFieldContainer[Precondition]
    origin: Origin
    made_at_ts: int
    store_id: str
    epoch: int
    committed_at_us: int
    timeout_ms: int
    def __init__(self, txn_id: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., read_ts: _Optional[int] = ..., reads: _Optional[_Iterable[_Union[RecordName, _Mapping]]] = ..., ranges: _Optional[_Iterable[_Union[KeyRange, _Mapping]]] = ..., preconditions: _Optional[_Iterable[_Union[Precondition, _Mapping]]] = ..., origin: _Optional[_Union[Origin, _Mapping]] = ..., made_at_ts: _Optional[int] = ..., store_id: _Optional[str] = ..., epoch: _Optional[int] = ..., committed_at_us: _Optional[int] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class CommitTransactionResponse(_message.Message):
    __slots__ = ("commit_ts", "committed_at_us", "was_repeated")
    COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    WAS_REPEATED_FIELD_NUMBER: _ClassVar[int]
    commit_ts: int
    committed_at_us: int
    was_repeated: bool
    def __init__(self, commit_ts: _Optional[int] = ..., committed_at_us: _Optional[int] = ..., was_repeated: bool = ...) -> None: ...

class LookupTransactionRequest(_message.Message):
    __slots__ = ("txn_id",)
    TXN_ID_FIELD_NUMBER: _ClassVar[int]
    txn_id: str
    def __init__(self, txn_id: _Optional[str] = ...) -> None: ...

class LookupTransactionResponse(_message.Message):
    __slots__ = ("outcome", "commit_ts")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    outcome: str
    commit_ts: int
    def __init__(self, outcome: _Optional[str] = ..., commit_ts: _Optional[int] = ...) -> None: ...

class GetManyRequest(_message.Message):
    __slots__ = ("names", "at_commit_ts", "values")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    AT_COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedCompositeFieldContainer[RecordName]
    at_commit_ts: int
    values: ValueForm
    def __init__(self, names: _Optional[_Iterable[_Union[RecordName, _Mapping]]] = ..., at_commit_ts: _Optional[int] = ..., values: _Optional[_Union[ValueForm, str]] = ...) -> None: ...

class GetManyResponse(_message.Message):
    __slots__ = ("entries", "read_ts")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    READ_TS_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[StateEntry]
    read_ts: int
    def __init__(self, entries: _Optional[_Iterable[_Union[StateEntry, _Mapping]]] = ..., read_ts: _Optional[int] = ...) -> None: ...

class GetHistoryRequest(_message.Message):
    __slots__ = ("namespace", "agent_id", "key", "at_commit_ts", "values", "reverse", "limit", "cursor")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    AT_COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    REVERSE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    agent_id: str
    key: str
    at_commit_ts: int
    values: ValueForm
    reverse: bool
    limit: int
    cursor: str
    def __init__(self, namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., key: _Optional[str] = ..., at_commit_ts: _Optional[int] = ..., values: _Optional[_Union[ValueForm, str]] = ..., reverse: bool = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class GetHistoryResponse(_message.Message):
    __slots__ = ("entries", "cursor", "read_ts")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    READ_TS_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[StateEntry]
    cursor: str
    read_ts: int
    def __init__(self, entries: _Optional[_Iterable[_Union[StateEntry, _Mapping]]] = ..., cursor: _Optional[str] = ..., read_ts: _Optional[int] = ...) -> None: ...

class ListAgentsRequest(_message.Message):
    __slots__ = ("namespace", "at_commit_ts", "limit", "cursor")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AT_COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    at_commit_ts: int
    limit: int
    cursor: str
    def __init__(self, namespace: _Optional[str] = ..., at_commit_ts: _Optional[int] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListAgentsResponse(_message.Message):
    __slots__ = ("agents", "cursor", "read_ts")
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    READ_TS_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[AgentCounts]
    cursor: str
    read_ts: int
    def __init__(self, agents: _Optional[_Iterable[_Union[AgentCounts, _Mapping]]] = ..., cursor: _Optional[str] = ..., read_ts: _Optional[int] = ...) -> None: ...

class AgentCounts(_message.Message):
    __slots__ = ("namespace", "agent_id", "keys", "events", "last_commit_ts")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    LAST_COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    agent_id: str
    keys: int
    events: int
    last_commit_ts: int
    def __init__(self, namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., keys: _Optional[int] = ..., events: _Optional[int] = ..., last_commit_ts: _Optional[int] = ...) -> None: ...

class ListNamespacesRequest(_message.Message):
    __slots__ = ("at_commit_ts", "limit", "cursor")
    AT_COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    at_commit_ts: int
    limit: int
    cursor: str
    def __init__(self, at_commit_ts: _Optional[int] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListNamespacesResponse(_message.Message):
    __slots__ = ("namespaces", "cursor", "read_ts")
    NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    READ_TS_FIELD_NUMBER: _ClassVar[int]
    namespaces: _containers.RepeatedCompositeFieldContainer[NamespaceCounts]
    cursor: str
    read_ts: int
    def __init__(self, namespaces: _Optional[_Iterable[_Union[NamespaceCounts, _Mapping]]] = ..., cursor: _Optional[str] = ..., read_ts: _Optional[int] = ...) -> None: ...

class NamespaceCounts(_message.Message):
    __slots__ = ("namespace", "agents", "keys", "events", "last_commit_ts")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    LAST_COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    agents: int
    keys: int
    events: int
    last_commit_ts: int
    def __init__(self, namespace: _Optional[str] = ..., agents: _Optional[int] = ..., keys: _Optional[int] = ..., events: _Optional[int] = ..., last_commit_ts: _Optional[int] = ...) -> None: ...

class ReplayPageRequest(_message.Message):
    __slots__ = ("namespace", "agent_id", "from_ts", "to_ts", "limit", "wait_ms", "values", "store_id", "epoch")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_TS_FIELD_NUMBER: _ClassVar[int]
    TO_TS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    agent_id: str
    from_ts: int
    to_ts: int
    limit: int
    wait_ms: int
    values: ValueForm
    store_id: str
    epoch: int
    def __init__(self, namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., from_ts: _Optional[int] = ..., to_ts: _Optional[int] = ..., limit: _Optional[int] = ..., wait_ms: _Optional[int] = ..., values: _Optional[_Union[ValueForm, str]] = ..., store_id: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class EventPage(_message.Message):
    __slots__ = ("events", "through_commit_ts", "done", "store_id", "epoch")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    THROUGH_COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[ReplayEvent]
    through_commit_ts: int
    done: bool
    store_id: str
    epoch: int
    def __init__(self, events: _Optional[_Iterable[_Union[ReplayEvent, _Mapping]]] = ..., through_commit_ts: _Optional[int] = ..., done: bool = ..., store_id: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class ReplayBatchesRequest(_message.Message):
    __slots__ = ("namespace", "agent_id", "from_ts", "to_ts", "follow", "values", "store_id", "epoch")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_TS_FIELD_NUMBER: _ClassVar[int]
    TO_TS_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    agent_id: str
    from_ts: int
    to_ts: int
    follow: bool
    values: ValueForm
    store_id: str
    epoch: int
    def __init__(self, namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., from_ts: _Optional[int] = ..., to_ts: _Optional[int] = ..., follow: bool = ..., values: _Optional[_Union[ValueForm, str]] = ..., store_id: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class FindEventsRequest(_message.Message):
    __slots__ = ("by", "id", "from_ts", "limit", "values", "store_id", "epoch")
    BY_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    FROM_TS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    by: OriginKind
    id: str
    from_ts: int
    limit: int
    values: ValueForm
    store_id: str
    epoch: int
    def __init__(self, by: _Optional[_Union[OriginKind, str]] = ..., id: _Optional[str] = ..., from_ts: _Optional[int] = ..., limit: _Optional[int] = ..., values: _Optional[_Union[ValueForm, str]] = ..., store_id: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class LocateTimeRequest(_message.Message):
    __slots__ = ("time_us",)
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    time_us: int
    def __init__(self, time_us: _Optional[int] = ...) -> None: ...

class LocateTimeResponse(_message.Message):
    __slots__ = ("commit_ts", "committed_at_us")
    COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    commit_ts: int
    committed_at_us: int
    def __init__(self, commit_ts: _Optional[int] = ..., committed_at_us: _Optional[int] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("state", "reason", "store_id", "epoch", "epochs", "format", "commit_ts", "committed_at_us", "horizon", "dedup_horizon", "head_digest", "durability", "storage", "size_bytes", "queued_commits", "followers", "details")
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    HORIZON_FIELD_NUMBER: _ClassVar[int]
    DEDUP_HORIZON_FIELD_NUMBER: _ClassVar[int]
    HEAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    STORAGE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    QUEUED_COMMITS_FIELD_NUMBER: _ClassVar[int]
    FOLLOWERS_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    state: str
    reason: str
    store_id: str
    epoch: int
    epochs: _containers.RepeatedCompositeFieldContainer[Epoch]
    format: int
    commit_ts: int
    committed_at_us: int
    horizon: int
    dedup_horizon: int
    head_digest: str
    durability: str
    storage: str
    size_bytes: int
    queued_commits: int
    followers: int
    details: _containers.ScalarMap[str, str]
    def __init__(self, state: _Optional[str] = ..., reason: _Optional[str] = ..., store_id: _Optional[str] = ..., epoch: _Optional[int] = ..., epochs: _Optional[_Iterable[_Union[Epoch, _Mapping]]] = ..., format: _Optional[int] = ..., commit_ts: _Optional[int] = ..., committed_at_us: _Optional[int] = ..., horizon: _Optional[int] = ..., dedup_horizon: _Optional[int] = ..., head_digest: _Optional[str] = ..., durability: _Optional[str] = ..., storage: _Optional[str] = ..., size_bytes: _Optional[int] = ..., queued_commits: _Optional[int] = ..., followers: _Optional[int] = ..., details: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Epoch(_message.Message):
    __slots__ = ("number", "first_commit_ts", "reason")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FIRST_COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    number: int
    first_commit_ts: int
    reason: str
    def __init__(self, number: _Optional[int] = ..., first_commit_ts: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class CheckRequest(_message.Message):
    __slots__ = ("cursor", "limit")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    limit: int
    def __init__(self, cursor: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class CheckResponse(_message.Message):
    __slots__ = ("problems", "checked", "done_fraction", "cursor", "head_digest")
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    CHECKED_FIELD_NUMBER: _ClassVar[int]
    DONE_FRACTION_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    HEAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    problems: _containers.RepeatedCompositeFieldContainer[Problem]
    checked: int
    done_fraction: float
    cursor: str
    head_digest: str
    def __init__(self, problems: _Optional[_Iterable[_Union[Problem, _Mapping]]] = ..., checked: _Optional[int] = ..., done_fraction: _Optional[float] = ..., cursor: _Optional[str] = ..., head_digest: _Optional[str] = ...) -> None: ...

class EraseRequest(_message.Message):
    __slots__ = ("namespace", "agent_id", "keys", "prefixes", "dry_run", "limit", "cursor")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    PREFIXES_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    agent_id: str
    keys: _containers.RepeatedScalarFieldContainer[str]
    prefixes: _containers.RepeatedScalarFieldContainer[str]
    dry_run: bool
    limit: int
    cursor: str
    def __init__(self, namespace: _Optional[str] = ..., agent_id: _Optional[str] = ..., keys: _Optional[_Iterable[str]] = ..., prefixes: _Optional[_Iterable[str]] = ..., dry_run: bool = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class EraseResponse(_message.Message):
    __slots__ = ("versions", "shared_versions", "shared_keys", "cursor")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    SHARED_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    SHARED_KEYS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    versions: int
    shared_versions: int
    shared_keys: _containers.RepeatedScalarFieldContainer[str]
    cursor: str
    def __init__(self, versions: _Optional[int] = ..., shared_versions: _Optional[int] = ..., shared_keys: _Optional[_Iterable[str]] = ..., cursor: _Optional[str] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("commit_ts", "table", "what")
    COMMIT_TS_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    commit_ts: int
    table: str
    what: str
    def __init__(self, commit_ts: _Optional[int] = ..., table: _Optional[str] = ..., what: _Optional[str] = ...) -> None: ...

class RequestBatch(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[RequestItem]
    def __init__(self, items: _Optional[_Iterable[_Union[RequestItem, _Mapping]]] = ...) -> None: ...

class RequestItem(_message.Message):
    __slots__ = ("id", "timeout_ms", "traceparent", "cancel", "health", "version", "get_state", "get_state_at_version", "get_many", "scan_prefix", "get_history", "list_agents", "list_namespaces", "replay_page", "find_events", "locate_time", "lookup_transaction", "commit_transaction", "status", "check", "erase")
    ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    GET_STATE_FIELD_NUMBER: _ClassVar[int]
    GET_STATE_AT_VERSION_FIELD_NUMBER: _ClassVar[int]
    GET_MANY_FIELD_NUMBER: _ClassVar[int]
    SCAN_PREFIX_FIELD_NUMBER: _ClassVar[int]
    GET_HISTORY_FIELD_NUMBER: _ClassVar[int]
    LIST_AGENTS_FIELD_NUMBER: _ClassVar[int]
    LIST_NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    REPLAY_PAGE_FIELD_NUMBER: _ClassVar[int]
    FIND_EVENTS_FIELD_NUMBER: _ClassVar[int]
    LOCATE_TIME_FIELD_NUMBER: _ClassVar[int]
    LOOKUP_TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CHECK_FIELD_NUMBER: _ClassVar[int]
    ERASE_FIELD_NUMBER: _ClassVar[int]
    id: int
    timeout_ms: int
    traceparent: str
    cancel: Cancel
    health: HealthRequest
    version: VersionRequest
    get_state: GetStateRequest
    get_state_at_version: GetStateAtVersionRequest
    get_many: GetManyRequest
    scan_prefix: ScanPrefixRequest
    get_history: GetHistoryRequest
    list_agents: ListAgentsRequest
    list_namespaces: ListNamespacesRequest
    replay_page: ReplayPageRequest
    find_events: FindEventsRequest
    locate_time: LocateTimeRequest
    lookup_transaction: LookupTransactionRequest
    commit_transaction: CommitTransactionRequest
    status: StatusRequest
    check: CheckRequest
    erase: EraseRequest
    def __init__(self, id: _Optional[int] = ..., timeout_ms: _Optional[int] = ..., traceparent: _Optional[str] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., health: _Optional[_Union[HealthRequest, _Mapping]] = ..., version: _Optional[_Union[VersionRequest, _Mapping]] = ..., get_state: _Optional[_Union[GetStateRequest, _Mapping]] = ..., get_state_at_version: _Optional[_Union[GetStateAtVersionRequest, _Mapping]] = ..., get_many: _Optional[_Union[GetManyRequest, _Mapping]] = ..., scan_prefix: _Optional[_Union[ScanPrefixRequest, _Mapping]] = ..., get_history: _Optional[_Union[GetHistoryRequest, _Mapping]] = ..., list_agents: _Optional[_Union[ListAgentsRequest, _Mapping]] = ..., list_namespaces: _Optional[_Union[ListNamespacesRequest, _Mapping]] = ..., replay_page: _Optional[_Union[ReplayPageRequest, _Mapping]] = ..., find_events: _Optional[_Union[FindEventsRequest, _Mapping]] = ..., locate_time: _Optional[_Union[LocateTimeRequest, _Mapping]] = ..., lookup_transaction: _Optional[_Union[LookupTransactionRequest, _Mapping]] = ..., commit_transaction: _Optional[_Union[CommitTransactionRequest, _Mapping]] = ..., status: _Optional[_Union[StatusRequest, _Mapping]] = ..., check: _Optional[_Union[CheckRequest, _Mapping]] = ..., erase: _Optional[_Union[EraseRequest, _Mapping]] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReplyBatch(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ReplyItem]
    def __init__(self, items: _Optional[_Iterable[_Union[ReplyItem, _Mapping]]] = ...) -> None: ...

class TooLarge(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReplyItem(_message.Message):
    __slots__ = ("id", "error", "too_large", "health", "version", "get_state", "get_state_at_version", "get_many", "scan_prefix", "get_history", "list_agents", "list_namespaces", "replay_page", "find_events", "locate_time", "lookup_transaction", "commit_transaction", "status", "check", "erase")
    ID_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TOO_LARGE_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    GET_STATE_FIELD_NUMBER: _ClassVar[int]
    GET_STATE_AT_VERSION_FIELD_NUMBER: _ClassVar[int]
    GET_MANY_FIELD_NUMBER: _ClassVar[int]
    SCAN_PREFIX_FIELD_NUMBER: _ClassVar[int]
    GET_HISTORY_FIELD_NUMBER: _ClassVar[int]
    LIST_AGENTS_FIELD_NUMBER: _ClassVar[int]
    LIST_NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    REPLAY_PAGE_FIELD_NUMBER: _ClassVar[int]
    FIND_EVENTS_FIELD_NUMBER: _ClassVar[int]
    LOCATE_TIME_FIELD_NUMBER: _ClassVar[int]
    LOOKUP_TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CHECK_FIELD_NUMBER: _ClassVar[int]
    ERASE_FIELD_NUMBER: _ClassVar[int]
    id: int
    error: StatehouseError
    too_large: TooLarge
    health: HealthResponse
    version: VersionResponse
    get_state: GetStateResponse
    get_state_at_version: GetStateAtVersionResponse
    get_many: GetManyResponse
    scan_prefix: ScanPrefixResponse
    get_history: GetHistoryResponse
    list_agents: ListAgentsResponse
    list_namespaces: ListNamespacesResponse
    replay_page: EventPage
    find_events: EventPage
    locate_time: LocateTimeResponse
    lookup_transaction: LookupTransactionResponse
    commit_transaction: CommitTransactionResponse
    status: StatusResponse
    check: CheckResponse
    erase: EraseResponse
    def __init__(self, id: _Optional[int] = ..., error: _Optional[_Union[StatehouseError, _Mapping]] = ..., too_large: _Optional[_Union[TooLarge, _Mapping]] = ..., health: _Optional[_Union[HealthResponse, _Mapping]] = ..., version: _Optional[_Union[VersionResponse, _Mapping]] = ..., get_state: _Optional[_Union[GetStateResponse, _Mapping]] = ..., get_state_at_version: _Optional[_Union[GetStateAtVersionResponse, _Mapping]] = ..., get_many: _Optional[_Union[GetManyResponse, _Mapping]] = ..., scan_prefix: _Optional[_Union[ScanPrefixResponse, _Mapping]] = ..., get_history: _Optional[_Union[GetHistoryResponse, _Mapping]] = ..., list_agents: _Optional[_Union[ListAgentsResponse, _Mapping]] = ..., list_namespaces: _Optional[_Union[ListNamespacesResponse, _Mapping]] = ..., replay_page: _Optional[_Union[EventPage, _Mapping]] = ..., find_events: _Optional[_Union[EventPage, _Mapping]] = ..., locate_time: _Optional[_Union[LocateTimeResponse, _Mapping]] = ..., lookup_transaction: _Optional[_Union[LookupTransactionResponse, _Mapping]] = ..., commit_transaction: _Optional[_Union[CommitTransactionResponse, _Mapping]] = ..., status: _Optional[_Union[StatusResponse, _Mapping]] = ..., check: _Optional[_Union[CheckResponse, _Mapping]] = ..., erase: _Optional[_Union[EraseResponse, _Mapping]] = ...) -> None: ...
