"""A third of the price for the values that every call makes."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar, cast

C = TypeVar("C", bound=type)


def quick(cls: C) -> C:
    """Gives a frozen, slotted dataclass an ``__init__`` that sets its slots through their descriptors.

    The one that `dataclasses` writes looks each attribute up by name, through ``object.__setattr__``: 2.1 us
    for seven fields here, against 0.7 us. A read makes five such values, which was half of its time. All else
    of the class, its signature and that it cannot be changed, stays as it is. Fields need plain defaults.
    """
    names = [each.name for each in fields(cls)]
    scope: dict[str, Any] = {f"set_{name}": getattr(cls, name).__set__ for name in names}
    arguments = []
    for each in fields(cls):
        assert each.default_factory is MISSING, f"{cls.__name__}.{each.name} has a default_factory"
        if each.default is MISSING:
            arguments.append(each.name)
        else:
            scope[f"default_{each.name}"] = each.default
            arguments.append(f"{each.name}=default_{each.name}")
    lines = [f"    set_{name}(self, {name})" for name in names]
    source = "\n".join([f"def __init__(self, {', '.join(arguments)}):", *lines])
    exec(source, scope)  # noqa: S102 - of names that are in our own source; dataclasses does the same
    written, opened = scope["__init__"], cast("Any", cls)
    written.__qualname__ = f"{cls.__qualname__}.__init__"
    written.__module__ = cls.__module__
    written.__annotations__ = opened.__init__.__annotations__
    opened.__init__ = written
    return cls
