"""A hook of mkdocs: writes what the wire contract says where a page asks for it; so no page drifts from it.

What there is comes from the descriptor in ``statehouse._generated``; what it means, from the comments in the
``.proto``. The pages are those of ``docs/wire/``. A page asks with a comment:

====================== ============================================
``<!-- rpcs -->``      every RPC with its first sentence
``<!-- rpc NAME -->``  one RPC: request, answer, errors
``<!-- messages -->``  the messages and enums that RPCs share
``<!-- codes -->``     the error codes
====================== ============================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from inspect import get_annotations
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    MethodDescriptorProto,
)

from statehouse import errors
from statehouse._generated import statehouse_pb2

PROTO: Final = Path(__file__).resolve().parent.parent / "proto/statehouse/v1/statehouse.proto"
SERVICE: Final = "StatehouseService"
CODES: Final = "ErrorCode"

TYPES: Final = {
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_DOUBLE: "double",
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_UINT32: "uint32",
    FieldDescriptorProto.TYPE_UINT64: "uint64",
}

_ASKED = re.compile(r"^<!-- (rpcs|rpc|messages|codes)(?: (\w+))? -->$", re.MULTILINE)
_SCOPE = re.compile(r"(?:service|message|enum) (\w+) \{(\})?$")
_ONEOF = re.compile(r"oneof (\w+) \{$")
_NAMED = re.compile(r"rpc (\w+)\(|(\w+) = \d+;$")
_STATUS = re.compile(r"(?:^|(?<=\. ))([A-Z]{2,}(?:_[A-Z]+)*): ")
_CODE_STATUS = re.compile(r" Status ([A-Z_]+)\.$")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Gives a page with what it asks for.

    Raises:
        KeyError: It asks for an RPC that there is not.
    """
    return _ASKED.sub(lambda found: _written(found[1], found[2]), markdown)


def _written(what: str, name: str | None) -> str:
    contract = read()
    match what, name:
        case "rpc", str():
            return contract.rpc(name)
        case "rpcs", None:
            return contract.rpcs()
        case "messages", None:
            return contract.messages()
        case "codes", None:
            return contract.codes()
        case _:
            raise KeyError(f"nothing is called {what} {name}")


@cache
def read() -> Contract:
    """Gives the contract of this checkout."""
    return Contract(PROTO.read_text(encoding="utf-8"))


def comments(text: str) -> dict[str, str]:
    """Gives the comments of a ``.proto``, by the dotted name of what each stands above."""
    found: dict[str, str] = {}
    scopes: list[str] = []
    said: list[str] = []
    for line in map(str.strip, text.splitlines()):
        if line.startswith("//"):
            said.append(line.removeprefix("//").strip())
            continue
        if scope := _SCOPE.match(line):
            found[scope[1]] = " ".join(said)
            scopes += [] if scope[2] else [scope[1]]
        elif oneof := _ONEOF.match(line):
            found[f"{scopes[-1]}.{oneof[1]}"] = " ".join(said)
            # A field in it is a field of the message.
            scopes.append(scopes[-1])
        elif line == "}":
            scopes.pop()
        elif scopes and (named := _NAMED.search(line)):
            found[f"{scopes[-1]}.{named[1] or named[2]}"] = " ".join(said)
        said = []
    return found


def split_errors(said: str) -> tuple[str, dict[str, str]]:
    """Parts the comment of an RPC from the statuses at its end ("NOT_FOUND: no such transaction.")."""
    prose, *parts = _STATUS.split(said)
    return prose.strip(), {
        status: _sentence(when) for status, when in zip(parts[::2], parts[1::2], strict=True)
    }


def page_name(rpc: str) -> str:
    """Gives the name of the page of an RPC: ``get-state`` for ``GetState``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", rpc).lower()


def error_of(code: str) -> type[errors.StatehouseError]:
    """Gives the class that a code of the wire is in Python."""
    return errors.error_class(code.lower())


class Contract:
    """What the contract says, in Markdown.

    Args:
        text: The ``.proto``, for its comments.
    """

    def __init__(self, text: str) -> None:
        self.file = FileDescriptorProto()
        statehouse_pb2.DESCRIPTOR.CopyToProto(self.file)
        self.said: Mapping[str, str] = comments(text)
        self.messages_by_name = {message.name: message for message in self.file.message_type}
        self.enums_by_name = {enum.name: enum for enum in self.file.enum_type}
        [service] = self.file.service
        self.methods = {method.name: method for method in service.method}
        # The page that shows a message: of the first RPC that asks or answers with it.
        self._page: dict[str, str] = {}
        for method in self.methods.values():
            for name in (_bare(method.input_type), _bare(method.output_type)):
                self._page.setdefault(name, page_name(method.name))

    def rpcs(self) -> str:
        """Gives the table of the RPCs."""
        return _table(
            ["RPC", ""],
            ([f"[{name}](rpcs/{page_name(name)}.md)", self._first_sentence(name)] for name in self.methods),
        )

    def rpc(self, name: str) -> str:
        """Gives the reference of one RPC.

        Raises:
            KeyError: There is none of this name.
        """
        method = self.methods[name]
        prose, statuses = split_errors(self.said[f"{SERVICE}.{name}"])
        own = _table(["status", "when"], ([f"`{status}`", when] for status, when in statuses.items()))
        return "\n\n".join(
            [
                prose,
                f"`{_signature(method)}`",
                f"### {_bare(method.input_type)}",
                self._message(_bare(method.input_type), "../"),
                f"### {_bare(method.output_type)}",
                self._message(_bare(method.output_type), "../"),
                "### Errors",
                *([own] if statuses else []),
                "Besides, those that [any call may end with](../index.md#errors).",
            ]
        )

    def messages(self) -> str:
        """Gives the reference of the messages and enums that are nobody's own request or answer."""
        shared = [name for name in self.messages_by_name if name not in self._page]
        enums = [enum for enum in self.enums_by_name if enum != CODES]
        parts = [f"## {name}\n\n{self._message(name, '')}" for name in shared]
        parts += [f"## {name}\n\n{self._enum(self.enums_by_name[name])}" for name in enums]
        return "\n\n".join(parts)

    def codes(self) -> str:
        """Gives the table of the error codes."""
        return _table(
            ["code", "status", "in Python", "`retry`", "`details`", "when"],
            (
                self._code(value.name, value.number)
                for value in self.enums_by_name[CODES].value
                if value.number
            ),
        )

    def _code(self, name: str, number: int) -> list[str]:
        said = self.said[f"{CODES}.{name}"]
        error = error_of(name)
        facts = [fact for fact, kind in get_annotations(error).items() if "ClassVar" not in str(kind)]
        return [
            f"{number} `{name}`",
            f"`{status_of(said)}`",
            f"`{error.__name__}`",
            error.retry.value.replace("_", " "),
            ", ".join(f"`{fact}`" for fact in facts),
            _CODE_STATUS.sub("", said),
        ]

    def _first_sentence(self, rpc: str) -> str:
        said = self.said[f"{SERVICE}.{rpc}"]
        return said.partition(". ")[0].rstrip(".") + "."

    def _message(self, name: str, up: str) -> str:
        message = self.messages_by_name[name]
        said = self.said[name]
        if not message.field:
            return f"{said} It has no fields.".strip()
        rows = (
            [
                f"{field.number}",
                f"`{field.name}`",
                self._type(message, field, up),
                self._meaning(message, field),
            ]
            for field in message.field
        )
        return "\n\n".join(filter(None, [_prose(said), _table(["", "field", "type", ""], rows)]))

    def _meaning(self, message: DescriptorProto, field: FieldDescriptorProto) -> str:
        said = self.said[f"{message.name}.{field.name}"]
        if field.HasField("oneof_index") and not field.proto3_optional:
            return f"{said} (Of the choice `{message.oneof_decl[field.oneof_index].name}`.)"
        return said

    def _type(self, message: DescriptorProto, field: FieldDescriptorProto, up: str) -> str:
        maps = {nested.name: nested for nested in message.nested_type if nested.options.map_entry}
        if entry := maps.get(field.type_name.rpartition(".")[2]):
            key, value = entry.field
            return f"map of {TYPES[key.type]} to {TYPES[value.type]}"
        kind = TYPES.get(field.type) or self._link(field.type_name, up)
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            return f"repeated {kind}"
        return f"optional {kind}" if field.proto3_optional else kind

    def _link(self, type_name: str, up: str) -> str:
        name = _bare(type_name)
        if name in self._page:
            return f"[{name}]({up and '../'}rpcs/{self._page[name]}.md)"
        if name == CODES:
            return f"[{name}]({up}index.md#codes)"
        if name in self.messages_by_name or name in self.enums_by_name:
            return f"[{name}]({up}messages.md#{name.lower()})"
        return type_name.removeprefix(".")

    def _enum(self, enum: EnumDescriptorProto) -> str:
        rows = (
            [f"{value.number}", f"`{value.name}`", self.said[f"{enum.name}.{value.name}"]]
            for value in enum.value
        )
        return f"{_prose(self.said[enum.name])}\n\n{_table(['', 'value', ''], rows)}"


def status_of(said: str) -> str:
    """Gives the status that the comment of an error code names; none is an error of the contract."""
    found = _CODE_STATUS.search(said)
    assert found, f"no status is named: {said}"
    return found[1]


def _bare(type_name: str) -> str:
    return type_name.rpartition(".")[2]


def _signature(method: MethodDescriptorProto) -> str:
    asked, answered = _bare(method.input_type), _bare(method.output_type)
    return (
        f"rpc {method.name}({'stream ' * method.client_streaming}{asked}) "
        f"returns ({'stream ' * method.server_streaming}{answered})"
    )


def _sentence(said: str) -> str:
    text = said.strip().rstrip(".")
    return f"{text[0].upper()}{text[1:]}."


def _prose(said: str) -> str:
    """Shows JSON as what it is, and no angle bracket as a tag."""
    return re.sub(r'\{"[^}]*\}+', lambda found: f"`{found[0]}`", said).replace("<", "&lt;")


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *([*row[:-1], _prose(row[-1])] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
