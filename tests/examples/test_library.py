"""The library: read from source without importing it, and searched sanely."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from examples.research_agent.corpus import library_root, read_corpus
from examples.research_agent.library import Library


@pytest.mark.parametrize(
    "question, found",
    [
        ("How do I parse an ISO date", "datetime.date.fromisoformat"),
        ("add 3 days", "datetime.timedelta"),
        ("remove common leading whitespace from text", "textwrap.dedent"),
        ("run a command in a subprocess and capture its output", "subprocess.run"),
        ("least recently used cache decorator", "functools.lru_cache"),
        ("merge several sorted lists", "heapq.merge"),
        ("median of numbers", "statistics.median"),
        ("copy a directory tree", "shutil.copytree"),
        ("quote a string for the shell", "shlex.quote"),
        ("split a URL", "urllib.parse.urlsplit"),
        ("run coroutines concurrently and gather results", "asyncio.gather"),
        ("square root", "math.sqrt"),
        ("sleep for some seconds", "time.sleep"),
        ("bisect_left", "bisect.bisect_left"),
        ("what does `list` do", "list"),
    ],
)
def test_a_question_finds_the_function_that_answers_it(library: Library, question: str, found: str) -> None:
    assert library.search(question)[0].doc.name == found


def test_a_search_for_modules_gives_modules_only(library: Library) -> None:
    hits = library.search("compresses with LZMA", kind="module")
    assert hits[0].doc.name == "lzma"
    assert {hit.doc.kind for hit in hits} == {"module"}


def test_a_search_within_a_module_stays_in_it(library: Library) -> None:
    assert library.search("open()", within="lzma")[0].doc.name == "lzma.open"
    assert all(hit.doc.name.startswith("lzma.") for hit in library.search("file", within="lzma"))


@pytest.mark.parametrize("question", ["zzyzx qwertyuiop", "", "?!", "3"])
def test_a_search_for_nothing_known_finds_nothing(library: Library, question: str) -> None:
    assert library.search(question) == []


def test_searching_twice_gives_the_same_in_the_same_order(library: Library) -> None:
    assert library.search("open a file", limit=20) == library.search("open a file", limit=20)


def test_a_signature_is_written_without_self(library: Library) -> None:
    assert library.docs["datetime.date.fromisoformat"].signature == "(date_string)"
    assert library.docs["bisect.bisect_left"].signature == "(a, x, lo=0, hi=None, *, key=None)"


@pytest.mark.parametrize(
    "name", ["asyncio.run", "unittest.TestCase", "os.path.join", "collections.abc.Mapping"]
)
def test_what_a_private_module_defines_has_its_public_name(library: Library, name: str) -> None:
    assert name in library.docs


@pytest.mark.parametrize("name", ["math.sqrt", "len", "str.split", "itertools.chain", "collections.deque"])
def test_what_is_written_in_c_is_documented_too(library: Library, name: str) -> None:
    assert library.docs[name].text
    assert library.docs[name].where == "compiled into Python"


def test_nothing_private_is_documented(library: Library) -> None:
    assert [name for name in library.docs if any(part.startswith("_") for part in name.split("."))] == []


def test_the_place_of_a_doc_is_where_it_is_defined(library: Library) -> None:
    doc = library.docs["textwrap.dedent"]
    line = (library_root() / doc.file).read_text().splitlines()[doc.line - 1]
    assert line == "def dedent(text):"


def test_the_source_of_a_function_ends_where_it_ends(library: Library) -> None:
    source = library.source(library.docs["bisect.bisect_left"], lines_max=200)
    assert source.startswith("def bisect_left(a, x, lo=0, hi=None, *, key=None):")
    assert source.endswith("return lo")


def test_long_source_says_how_much_is_left_out(library: Library) -> None:
    source = library.source(library.docs["textwrap.dedent"], lines_max=3)
    assert source.splitlines()[3].endswith("more lines")


def test_modules_are_parsed_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "antigravity.py").write_text("raise SystemExit('left out')")
    (tmp_path / "bisect.py").write_text(
        '"""Halves."""\nraise SystemExit("must not run")\ndef f(x): "Gives x."'
    )
    assert [(doc.name, doc.text) for doc in read_corpus(tmp_path)] == [
        ("bisect", "Halves."),
        ("bisect.f", "Gives x."),
    ]


def test_building_the_library_imports_no_other_module_of_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from examples.research_agent.corpus import read_corpus\n"
        "before = set(sys.modules); read_corpus(Path(sys.argv[1])); print(sorted(set(sys.modules) - before))"
    )
    (tmp_path / "turtle.py").write_text("def f(): pass")
    (tmp_path / "wave.py").write_text("import chunk, sunau, tkinter")
    ran = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"


def test_a_file_that_is_not_python_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "bisect.py").write_text("def f(:")
    (tmp_path / "wave.py").write_text('"""Waves."""')
    assert [doc.name for doc in read_corpus(tmp_path)] == ["wave"]


@pytest.fixture
def small_root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / "wave.py").write_text('"""Waves."""\ndef crest(): "The top of a wave."\n')
    return root


def test_a_loaded_library_is_the_one_that_was_read(small_root: Path, tmp_path: Path) -> None:
    read = Library.open(tmp_path / "cache", root=small_root)
    (small_root / "wave.py").unlink()
    loaded = Library.open(tmp_path / "cache", root=small_root)
    assert loaded.docs == read.docs
    assert loaded.search("top of a wave") == read.search("top of a wave") != []


@pytest.mark.parametrize("damage", [b"", b'{"docs": [[1', b"[]", b'{"root": "elsewhere"}', b"\xff"])
def test_a_damaged_cache_is_replaced(small_root: Path, tmp_path: Path, damage: bytes) -> None:
    cache = tmp_path / "cache"
    Library.open(cache, root=small_root)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage)
    assert "wave.crest" in Library.open(cache, root=small_root).docs
    assert file.read_bytes() == whole


def test_a_cache_of_another_library_is_not_used(small_root: Path, tmp_path: Path) -> None:
    Library.open(tmp_path / "cache", root=small_root)
    (tmp_path / "other").mkdir()
    assert "wave.crest" not in Library.open(tmp_path / "cache", root=tmp_path / "other").docs


def test_a_cache_that_cannot_be_written_is_done_without(small_root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "wave.crest" in Library.open(tmp_path / "file" / "cache", root=small_root).docs
