"""The corpus: what Python's standard library says about itself, read from its source without running it.

Every public module, class, function and method is a `Doc`. Source is parsed with `ast` and never imported;
the few modules that are compiled into the interpreter have no source and are asked by `compiled`.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Kind = Literal["module", "class", "function", "method", "property"]

# Tests, programs and data that come with the library, and what it is installed beside.
_LEFT_OUT: Final = frozenset(
    "antigravity config distutils encodings ensurepip idlelib lib2to3 msilib ntpath nturl2path pydoc_data "
    "site-packages test tests this tkinter turtle turtledemo".split()
)
# Public modules whose documented source is the private twin of a compiled one (from Python 3.12 on, some
# more).
_TWINS: Final = {
    "_pydatetime": "datetime",
    "_pydecimal": "decimal",
    "_pyio": "io",
    "_collections_abc": "collections.abc",
    "posixpath": "os.path",
}
_CONSTRUCTORS: Final = ("__init__", "__new__")
_SIGNATURE_CHARS_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Doc:
    """What the library says about one thing.

    Attributes:
        name: Its public name, such as ``datetime.date.fromisoformat``.
        kind: What it is.
        signature: Its parameters as they are written, in parentheses; empty for a module.
        text: Its docstring.
        file: The file that says so, relative to the library; empty for what is compiled.
        line: The line in that file.
    """

    name: str
    kind: Kind
    signature: str
    text: str
    file: str
    line: int

    @property
    def summary(self) -> str:
        """The first paragraph on one line."""
        return " ".join(self.text.split("\n\n", 1)[0].split())

    @property
    def where(self) -> str:
        """The file and line, or that it is compiled."""
        return f"{self.file}:{self.line}" if self.file else "compiled into Python"


def library_root() -> Path:
    """Gives the directory of the standard library."""
    return Path(sysconfig.get_paths()["stdlib"])


def read_corpus(root: Path) -> list[Doc]:
    """Gives everything that is documented under a directory, in order of name; the first of a name wins."""
    found: dict[str, Doc] = {}
    public: dict[str, str] = {}
    for path in source_files(root):
        module = module_name(path.relative_to(root))
        source = path.read_text(encoding="utf-8", errors="replace")
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            # Somebody's edit of their own library must not silence the rest of it.
            continue
        # Packages say by their imports which names of their inner modules are public.
        reading = _ModuleReader(module, path.relative_to(root).as_posix(), tree)
        public.update(reading.exports(is_package=path.name == "__init__.py"))
        for doc in reading.docs():
            found.setdefault(doc.name, doc)
    return _published(found, public)


def source_files(root: Path) -> Iterator[Path]:
    """Gives the files of public modules, in order."""
    for entry in sorted(root.iterdir()):
        top = entry.stem
        if top not in sys.stdlib_module_names or (top.startswith("_") and top not in _TWINS):
            continue
        if entry.is_dir():
            yield from _package_files(entry)
        elif entry.suffix == ".py" and top not in _LEFT_OUT:
            yield entry


def _package_files(package: Path) -> Iterator[Path]:
    """Gives the files of a package; private ones too, since its __init__ may make public what they have."""
    if package.name in _LEFT_OUT or not (package / "__init__.py").is_file():
        return
    for entry in sorted(package.iterdir()):
        if entry.is_dir():
            yield from _package_files(entry)
        elif entry.suffix == ".py" and entry.stem != "__main__":
            yield entry


def module_name(relative: Path) -> str:
    """Gives the name that programs import a file by."""
    parts = relative.with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return _TWINS.get(name, name)


def _published(found: dict[str, Doc], public: dict[str, str]) -> list[Doc]:
    docs: dict[str, Doc] = {}
    for name, doc in found.items():
        published = _public_name(name, public)
        if any(part.startswith("_") for part in published.split(".")):
            continue
        docs.setdefault(published, Doc(published, doc.kind, doc.signature, doc.text, doc.file, doc.line))
    return sorted(docs.values(), key=lambda doc: doc.name)


def _public_name(name: str, public: dict[str, str]) -> str:
    head, tail = name, ""
    while head:
        if head in public:
            return public[head] + tail
        head, dot, last = head.rpartition(".")
        if head + ".*" in public and not tail:
            return public[head + ".*"] + dot + last
        if head + ".*" in public:
            return f"{public[head + '.*']}.{last}{tail}"
        tail = f"{dot}{last}{tail}"
    return name


class _ModuleReader:
    """Reads one module's tree."""

    def __init__(self, module: str, file: str, tree: ast.Module) -> None:
        self.module = module
        self.file = file
        self.tree = tree

    def docs(self) -> Iterator[Doc]:
        listed = self._listed()
        text = ast.get_docstring(self.tree) or ""
        yield Doc(self.module, "module", "", text, self.file, 1)
        for node in _definitions(self.tree.body):
            if not node.name.startswith("_") and (listed is None or node.name in listed):
                yield from self._definition(node, self.module)

    def exports(self, *, is_package: bool) -> dict[str, str]:
        """Gives what a package takes from its own modules: inner to public name; ``x.*`` for everything."""
        if not is_package:
            return {}
        names: dict[str, str] = {}
        for node in self.tree.body:
            if not isinstance(node, ast.ImportFrom):
                continue
            source = f"{self.module}.{node.module}" if node.level == 1 and node.module else node.module or ""
            if not source.startswith(self.module + "."):
                continue
            for alias in node.names:
                target = self.module if alias.name == "*" else f"{self.module}.{alias.asname or alias.name}"
                names[f"{source}.{alias.name}"] = target
        return names

    def _listed(self) -> set[str] | None:
        """Gives the names in ``__all__``; None when there is none, or when it is computed."""
        listed: set[str] | None = None
        for statement in _statements(self.tree.body):
            # `__all__.extend([...])` is an expression statement.
            node = statement.value if isinstance(statement, ast.Expr) else statement
            match node:
                case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                    more = _literal_names(value)
                case ast.AugAssign(target=ast.Name(id="__all__"), value=value):
                    more = _literal_names(value)
                case ast.Call(func=ast.Attribute(value=ast.Name(id="__all__")), args=[value]):
                    more = _literal_names(value)
                case _:
                    continue
            if more is None:
                return None
            listed = (listed or set()) | more
        return listed

    def _definition(self, node: _Definition, parent: str) -> Iterator[Doc]:
        name = f"{parent}.{node.name}"
        text = ast.get_docstring(node) or ""
        in_class = parent != self.module
        if isinstance(node, ast.ClassDef):
            yield Doc(name, "class", _class_signature(node), text, self.file, node.lineno)
            for inner in _definitions(node.body):
                if not inner.name.startswith("_"):
                    yield from self._definition(inner, name)
        else:
            marks = {mark.id for mark in node.decorator_list if isinstance(mark, ast.Name)}
            kind: Kind = "property" if "property" in marks else "method" if in_class else "function"
            signature = _signature(node, bound=in_class and "staticmethod" not in marks)
            yield Doc(name, kind, "" if kind == "property" else signature, text, self.file, node.lineno)


_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Definition = ast.ClassDef | _Function


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Gives the statements, and instead of an ``if`` or ``try`` what is under it."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from _statements([*node.body, *node.orelse])
        else:
            yield node


def _definitions(body: Iterable[ast.stmt]) -> Iterator[_Definition]:
    for node in _statements(body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _literal_names(value: ast.expr) -> set[str] | None:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return {value.value}
    if isinstance(value, ast.List | ast.Tuple) and all(
        isinstance(item, ast.Constant) and isinstance(item.value, str) for item in value.elts
    ):
        return {str(item.value) for item in value.elts if isinstance(item, ast.Constant)}
    return None


def _class_signature(node: ast.ClassDef) -> str:
    functions = {
        inner.name: inner for inner in _definitions(node.body) if not isinstance(inner, ast.ClassDef)
    }
    for name in _CONSTRUCTORS:
        if name in functions:
            return _signature(functions[name], bound=True)
    return "()"


def _signature(node: _Function, *, bound: bool) -> str:
    written = ast.unparse(node.args)
    if bound:
        first, _, rest = written.partition(",")
        written = written if first.startswith("*") else rest.strip().removeprefix("/,").lstrip()
    written = f"({written})"
    return written if len(written) <= _SIGNATURE_CHARS_MAX else written[: _SIGNATURE_CHARS_MAX - 2] + "…)"
