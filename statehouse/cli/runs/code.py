"""What the commands that run code share: how a program is named, loaded, and what it prints."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from statehouse.cli.show import note, printable
from statehouse.programs.exits import Exit, Refusal

if TYPE_CHECKING:
    from statehouse.debug.rerunning.divergence import Divergence
    from statehouse.debug.rerunning.programs import Program

__all__ = [
    "ASSIGNMENT",
    "divergence_json",
    "lines_of",
    "loaded",
    "note_changed",
    "program_runs",
    "show_error",
]


class _Assignment(click.ParamType):  # type: ignore[type-arg] # generic since click 8.5 only
    """``NAME=JSON``."""

    name = "NAME=JSON"

    def convert(
        self, value: str | tuple[str, Any], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Gives the name and the value."""
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not (name and equals):
            self.fail(f"{value!r:.80} is not NAME=JSON", param, ctx)
        try:
            return name, json.loads(text)
        except ValueError:
            self.fail(f"{text!r:.80} is not JSON; text is written in quotes: '{name}=\"…\"'", param, ctx)


ASSIGNMENT: Final = _Assignment()


def loaded(name: str) -> Program:
    """Imports ``MODULE:FUNCTION``.

    Raises:
        Refusal: It cannot be imported.
        InvalidArgumentError: There is none of that name.
    """
    from statehouse.debug.rerunning import programs
    from statehouse.errors import StatehouseError

    try:
        return programs.load(name)
    except StatehouseError:
        raise
    except SystemExit as error:
        raise Refusal(
            f"{name} cannot be imported: it ends the process by sys.exit({_code(error)}){_where(error)}; "
            'keep that under `if __name__ == "__main__":`',
            Exit.USAGE,
        ) from error
    except Exception as error:
        said = error.msg if isinstance(error, SyntaxError) else error
        raise Refusal(
            f"{name} cannot be imported: {type(error).__name__}: {said}{_where(error)}", Exit.USAGE
        ) from error


def _code(error: SystemExit) -> str:
    return "" if error.code is None else repr(error.code)


def _where(error: BaseException) -> str:
    """In which line of a module something went wrong, without the machinery that imports it."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    frames = [
        each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith("<frozen ")
    ]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


@contextlib.contextmanager
def program_runs(*, aside: bool = True) -> Iterator[None]:
    """Around a program: what it prints goes to stderr, if `aside`; and its own errors are shown as its own.

    Raises:
        Exit: It raised something before its run began, or after that had ended; or it ended the process.
    """
    from statehouse.errors import StatehouseError

    try:
        with contextlib.redirect_stdout(sys.stderr) if aside else contextlib.nullcontext():
            yield
    except (StatehouseError, Refusal):
        raise
    except SystemExit as error:
        note(f"the program ended the process by sys.exit({_code(error)}){_where(error)}")
        raise click.exceptions.Exit(Exit.FINDINGS) from None
    except Exception as error:  # noqa: BLE001 - it is the program's, and nothing of ours
        show_error(error)
        raise click.exceptions.Exit(Exit.FINDINGS) from None
    finally:
        sys.stderr.flush()


def lines_of(text: str) -> str:
    """Gives a text of several lines that is safe to print."""
    return "\n".join(printable(line) for line in text.splitlines())


def show_error(error: BaseException) -> None:
    """Writes what a program raised, and where, to stderr: its own lines, without those of what calls it."""
    from statehouse.debug.rerunning.frames import own_frames

    lines = [*own_frames(error).format(), *traceback.format_exception_only(error)]
    sys.stderr.write("".join(["in the program:\n", *lines]))


def divergence_json(divergence: Divergence | None) -> dict[str, Any] | None:
    """Gives a divergence as JSON output has it."""
    if divergence is None:
        return None
    return {
        "kind": divergence.kind,
        "step": divergence.path,
        "message": divergence.message,
        "recorded": divergence.recorded,
        "now": divergence.now,
        "commit_ts": divergence.commit_ts,
    }


def note_changed(changed: tuple[str, ...]) -> None:
    """Says which functions are not those that were recorded."""
    if changed:
        note(f"changed since the run was recorded: {', '.join(changed)}")
