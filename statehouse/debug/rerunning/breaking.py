"""pdb inside the body of a step: it stops at the first line of the function, wherever that is called from."""

from __future__ import annotations

import pdb
import sys
from bdb import BdbQuit
from collections.abc import Callable
from types import CodeType
from typing import Any, Final, TextIO

from statehouse.debug.rerunning.divergence import Stopped
from statehouse.errors import InvalidArgumentError

_OURS: Final = ("statehouse.*", "asyncio.*", "contextlib")
"""Whoever steps out of a step's body need not walk through what called it."""
_HELP: Final = "n: next line  s: step into  p NAME: print  w: where  c: go on  q: leave"


class Debugger(pdb.Pdb):
    """pdb that stops in one function, and leaves the program for good when it is told to quit.

    Args:
        code: The function's code.
        banner: What is said when it stops.
        stdin: Where commands come from; None for the terminal.
        stdout: Where it writes; None for the terminal.
    """

    def __init__(
        self, code: CodeType, banner: str, *, stdin: TextIO | None = None, stdout: TextIO | None = None
    ) -> None:
        super().__init__(stdin=stdin, stdout=stdout, nosigint=True, skip=_OURS)
        self.prompt = "(step) "
        self._banner = banner
        self._told = False
        # A function is stopped in at its first line, whichever that is: under decorators, behind a docstring.
        wrong = self.set_break(code.co_filename, code.co_firstlineno, funcname=code.co_name)
        if wrong:
            raise InvalidArgumentError(f"{code.co_name} cannot be stopped in: {wrong}")

    def interaction(self, *args: Any, **kwargs: Any) -> None:
        """Talks to the person."""
        if not self._told:
            self._told = True
            self.clear_all_breaks()
            self.message(self._banner)
            self.message(_HELP)
        super().interaction(*args, **kwargs)

    def call(self, function: Callable[[], Any]) -> Any:
        """Calls a function, and stops in the one that is meant.

        Raises:
            Stopped: The person has left.
            BaseException: What the function raises.
        """
        self._begin()
        try:
            return function()
        except BdbQuit:
            raise Stopped from None
        finally:
            sys.settrace(None)

    async def call_async(self, function: Callable[[], Any]) -> Any:
        """Awaits a function, and stops in the one that is meant.

        Raises:
            Stopped: The person has left.
            BaseException: What the function raises.
        """
        self._begin()
        try:
            return await function()
        except BdbQuit:
            raise Stopped from None
        finally:
            sys.settrace(None)

    def _begin(self) -> None:
        self.reset()
        # As `continue` does: nowhere but at breakpoints.
        self.botframe = sys._getframe()  # noqa: SLF001 - what bdb itself does
        self._set_stopinfo(self.botframe, None, -1)  # type: ignore[attr-defined] # likewise
        sys.settrace(self.trace_dispatch)
