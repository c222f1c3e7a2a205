"""Documentation of what is written in C: there is no source to parse, so the interpreter is asked.

Only the modules named here are imported. They are part of the interpreter, and importing them does nothing
else.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Iterator
from typing import Any, Final

from examples.research_agent.corpus import Doc, Kind

_MODULES: Final = {
    "builtins": "builtins",
    "math": "math",
    "cmath": "cmath",
    "itertools": "itertools",
    "time": "time",
    "zlib": "zlib",
    "binascii": "binascii",
    "array": "array",
    "gc": "gc",
    "unicodedata": "unicodedata",
    "sys": "sys",
    "struct": "_struct",
    "csv": "_csv",
    "collections": "_collections",
    "functools": "_functools",
    "heapq": "_heapq",
    "operator": "_operator",
    "random": "_random",
    "os": os.name,
}


def compiled_docs() -> Iterator[Doc]:
    """Gives what the compiled modules say about themselves, under the names that programs use."""
    for public, inner in _MODULES.items():
        try:
            module = importlib.import_module(inner)
        except ImportError:
            # Not every Python is built with every module.
            continue
        if public == inner:
            yield _doc(public, module, "module")
        for name, thing in _public(module):
            full = name if public == "builtins" else f"{public}.{name}"
            if inspect.isclass(thing):
                yield _doc(full, thing, "class")
                for method, function in _public(thing):
                    if callable(function):
                        yield _doc(f"{full}.{method}", function, "method")
            elif callable(thing):
                yield _doc(full, thing, "function")


def _public(owner: Any) -> Iterator[tuple[str, Any]]:
    for name in sorted(vars(owner)):
        # Exceptions are many, and say little.
        thing = getattr(owner, name, None)
        if not name.startswith("_") and not (inspect.isclass(thing) and issubclass(thing, BaseException)):
            yield name, thing


def _doc(name: str, thing: Any, kind: Kind) -> Doc:
    text = inspect.getdoc(thing) or ""
    try:
        signature = "" if kind == "module" else str(inspect.signature(thing))
    except (TypeError, ValueError):
        # Older C functions write their signature as the first line of their text.
        first = text.split("\n", 1)[0]
        found = first.startswith(name.rpartition(".")[2] + "(") and first.rfind(")") > 0
        signature = first[first.find("(") : first.rfind(")") + 1] if found else ""
        text = text.partition("\n")[2].strip() if found and "\n" in text else text
    return Doc(name, kind, signature.replace("(self, /", "(").replace("(, ", "("), text, "", 0)
