"""The pages of the wire: they say what the contract says, and their calls do what the pages say they do."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import json_format

from statehouse._generated import statehouse_pb2
from statehouse.engine import open_engine
from statehouse.engine.clock import SystemClock
from statehouse.rpc.status import status_of
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from tests.docs.exchanges import Reader, exchanges
from tests.docs.fences import ROOT, Fence, fences, page_id, pages
from tests.rpc.reflected import ReflectedClient, reflected
from tools import wire_in_docs

RPCS = ROOT / "docs/wire/rpcs"
CONTRACT = wire_in_docs.read()
CODES = [code.name for code in CONTRACT.enums_by_name[wire_in_docs.CODES].value if code.number]
WITH_CALLS = [page for page in pages() if any(fence.language == "json" for fence in fences(page.read_text()))]
NODE = sorted((ROOT / "examples/node").glob("*.js"))


class OneMoment(SystemClock):
    """The calendar stands still, so that the pages can say what time it is."""

    def now_us(self) -> int:
        return 1_700_000_000_000_000


@pytest.fixture
def client() -> Iterator[ReflectedClient]:
    engine = open_engine(MemoryStore(), clock=OneMoment())
    with serving(engine) as target, reflected(target) as found:
        yield found
    engine.close()


def blocks(language: str) -> list[tuple[Path, Fence]]:
    """Gives every block of a language, with its page."""
    return [
        (page, fence) for page in pages() for fence in fences(page.read_text()) if fence.language == language
    ]


def flush_left(text: str) -> str:
    """Gives the lines of a program without indentation, which is that of the place they are shown in."""
    return "".join(line.strip() + "\n" for line in text.splitlines())


def plain(text: str) -> str:
    """Gives a text without what Markdown needs."""
    return text.replace("`", "").replace("&lt;", "<")


@pytest.mark.parametrize("page", WITH_CALLS, ids=page_id)
def test_the_calls_of_a_page_are_answered_as_it_says(page: Path, client: ReflectedClient) -> None:
    reader = Reader(client)
    for exchange in exchanges(fences(page.read_text())):
        assert reader.differences(exchange) == [], f"{page_id(page)}:{exchange.told.line}"


@pytest.mark.parametrize("rpc", CONTRACT.methods)
def test_every_rpc_has_a_page_with_its_reference_and_an_example(rpc: str) -> None:
    text = (RPCS / f"{wire_in_docs.page_name(rpc)}.md").read_text()
    assert text.startswith(f"# {rpc}\n")
    assert f"\n<!-- rpc {rpc} -->\n" in text
    assert rpc in {exchange.call for exchange in exchanges(fences(text))}


def test_every_page_of_an_rpc_is_of_one_that_there_is() -> None:
    assert {page.stem for page in RPCS.iterdir()} == set(map(wire_in_docs.page_name, CONTRACT.methods))


@pytest.mark.parametrize("rpc", CONTRACT.methods)
def test_a_page_shows_every_field_of_its_request_and_answer_with_the_comment_of_the_contract(
    rpc: str,
) -> None:
    shown = wire_in_docs.on_page_markdown(f"<!-- rpc {rpc} -->")
    method = CONTRACT.methods[rpc]
    for type_name in (method.input_type, method.output_type):
        message = CONTRACT.messages_by_name[type_name.rpartition(".")[2]]
        for field in message.field:
            rows = re.findall(rf"^\| {field.number} \| `{field.name}` \| .+ \| (.+) \|$", shown, re.MULTILINE)
            said = plain(CONTRACT.said[f"{message.name}.{field.name}"])
            assert any(plain(row).startswith(said) for row in rows), field.name


def test_every_message_and_enum_is_shown_somewhere() -> None:
    shown = wire_in_docs.on_page_markdown("<!-- messages -->\n<!-- codes -->") + "".join(
        wire_in_docs.on_page_markdown(f"<!-- rpc {rpc} -->") for rpc in CONTRACT.methods
    )
    names = {*CONTRACT.messages_by_name, *CONTRACT.enums_by_name} - {wire_in_docs.CODES}
    assert {name for name in names if not re.search(rf"^##+ {name}$", shown, re.MULTILINE)} == set()


def test_every_name_of_the_contract_has_a_comment() -> None:
    names = {f"{wire_in_docs.SERVICE}.{rpc}" for rpc in CONTRACT.methods}
    names |= {f"{each.name}.{field.name}" for each in CONTRACT.file.message_type for field in each.field}
    names |= {f"{each.name}.{value.name}" for each in CONTRACT.file.enum_type for value in each.value}
    assert {name for name in names if not CONTRACT.said.get(name)} == set()


def test_a_comment_belongs_to_what_stands_below_it() -> None:
    text = """
    // Of the message.
    message Change {
      // Of the field,
      // which goes on.
      string key = 1;
      string bare = 2;
      // Of the choice.
      oneof change {
        // Of a field in the choice.
        bytes data = 3;
      }
    }
    // Of one without fields.
    message Empty {}
    """
    assert wire_in_docs.comments(text) == {
        "Change": "Of the message.",
        "Change.key": "Of the field, which goes on.",
        "Change.bare": "",
        "Change.change": "Of the choice.",
        "Change.data": "Of a field in the choice.",
        "Empty": "Of one without fields.",
    }


def test_what_is_asked_for_and_is_not_there_fails_the_build() -> None:
    with pytest.raises(KeyError):
        wire_in_docs.on_page_markdown("<!-- rpc NoSuchCall -->")


@pytest.mark.parametrize("code", CODES)
def test_the_contract_names_the_status_that_an_error_has(code: str) -> None:
    said = CONTRACT.said[f"{wire_in_docs.CODES}.{code}"]
    assert wire_in_docs.status_of(said) == status_of(wire_in_docs.error_of(code)("")).name


def test_every_line_for_grpcurl_calls_what_there_is_with_a_request_that_it_takes() -> None:
    lines = [line for _, fence in blocks("sh") for line in fence.body.replace("\\\n", "").splitlines()]
    calls = [
        words for line in lines if (words := shlex.split(line)) and words[0] == "grpcurl" and "-d" in words
    ]
    assert calls
    for words in calls:
        service, _, rpc = words[-1].rpartition("/")
        assert service == f"statehouse.v1.{wire_in_docs.SERVICE}"
        asked = CONTRACT.methods[rpc].input_type.rpartition(".")[2]
        request = getattr(statehouse_pb2, asked)()
        json_format.ParseDict(json.loads(words[words.index("-d") + 1]), request)


def test_what_is_shown_of_the_node_client_is_the_node_client() -> None:
    sources = [flush_left(file.read_text()) for file in NODE]
    shown = [(page_id(page), fence.line, flush_left(fence.body)) for page, fence in blocks("js")]
    assert shown
    assert [where for *where, text in shown if not any(text in source for source in sources)] == []


def test_every_page_of_an_rpc_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text()
    assert {page.name for page in RPCS.iterdir() if f": wire/rpcs/{page.name}\n" not in menu} == set()
