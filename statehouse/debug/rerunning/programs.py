"""Programs that are run again: ``MODULE:FUNCTION``, and how such a function is called.

A function that takes one argument is called with the run, which it finds entered. One that takes none enters
its run itself, by ``with sh.run(...)``, and gets the one that is meant. Either may be ``async``.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable
from inspect import Parameter
from typing import Any, Final

from statehouse.errors import InvalidArgumentError
from statehouse.steps._async.run import RunAsync
from statehouse.steps._sync.run import Run
from statehouse.steps.runs import RunLogic

Program = Callable[..., Any]

_POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def load(name: str) -> Program:
    """Imports a program, from the current directory too.

    Args:
        name: ``module:function``; the function may be an attribute of something: ``module:Agent.main``.

    Raises:
        InvalidArgumentError: There is no such module or function in it.
        Exception: What the module raises when it is imported.
    """
    module_name, colon, function_name = name.partition(":")
    if not (module_name and colon and function_name):
        raise InvalidArgumentError(
            f"{name!r:.200} does not name a program: write MODULE:FUNCTION, such as shop.agent:main"
        )
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # Only of what was asked for; what is missing inside it is for its author.
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        raise InvalidArgumentError(
            f"there is no module {error.name} here; it is looked for in the current directory and in what is "
            "installed"
        ) from None
    for part in function_name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise InvalidArgumentError(f"{module_name} has no {function_name!r:.200}") from None
    if not callable(found):
        raise InvalidArgumentError(f"{name} is a {type(found).__name__}, and not a function")
    program: Program = found
    return program


def takes_run(program: Program) -> bool:
    """Whether a program is called with the run.

    Raises:
        InvalidArgumentError: It needs more than that.
    """
    needed = [
        each
        for each in inspect.signature(program).parameters.values()
        if each.default is Parameter.empty and each.kind in (*_POSITIONAL, Parameter.KEYWORD_ONLY)
    ]
    if len(needed) > 1 or any(each.kind not in _POSITIONAL for each in needed):
        raise InvalidArgumentError(
            f"{_name(program)} wants {', '.join(each.name for each in needed)}: a program takes the run, and "
            "finds what it works on in run.input; or nothing, and enters its run itself"
        )
    return bool(needed)


def call(program: Program, logic: RunLogic) -> Any:
    """Calls a program, blocking, and gives what it returns.

    Args:
        program: The program.
        logic: The run that it is called with; one that takes none gets it from `sh.run(...)`.

    Raises:
        InvalidArgumentError: It is ``async``, and this thread has an event loop.
        Exception: What the program raises.
    """
    wants_run = takes_run(program)
    if not inspect.iscoroutinefunction(inspect.unwrap(program)):
        if not wants_run:
            return _finished(program())
        with Run(logic) as run:
            return program(run)

    async def main() -> Any:
        if not wants_run:
            return await program()
        async with RunAsync(logic) as run:
            return await program(run)

    return _run(main)


def _finished(result: Any) -> Any:
    return _run(lambda: result) if inspect.iscoroutine(result) else result


def _run(main: Callable[[], Any]) -> Any:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main())
    raise InvalidArgumentError(
        "the program is async, and this thread runs an event loop already: await asyncio.to_thread(...) with "
        "this function"
    )


def _name(program: Program) -> str:
    return f"{getattr(program, '__module__', '?')}:{getattr(program, '__qualname__', repr(program))}"
