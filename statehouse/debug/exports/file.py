"""The file of an exported run: JSON lines, compressed, with a header, a count and a digest.

* F1. A file appears under its name when it is whole and on disk, or not at all.
* F2. What is read is bounded before it is unpacked and parsed, whatever the file says: by `LINE_BYTES_MAX`,
  `FILE_BYTES_MAX` and `ROWS_MAX`.
* F3. Nothing of a file is believed before its trailer is reached and its digest is right. The digest finds
  accidents: whoever can write a file can write a digest, too.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Final, Self

from statehouse.debug.exports.format import FORMAT, KEY
from statehouse.errors import AlreadyExistsError, CorruptionError, FormatVersionError, LimitExceededError
from statehouse.protocol.limits import MIB
from statehouse.protocol.lines import json_bytes

LINE_BYTES_MAX: Final = 64 * MIB
"""A commit has at most 32 MiB of values, which are a third more in base 64."""

FILE_BYTES_MAX: Final = 1024 * MIB
"""How much an export may hold, unpacked: it is opened in memory."""

ROWS_MAX: Final = 2_000_000
"""How many operations and names of keys: in memory, each takes more than in the file."""

_TRAILER: Final = b'{"trailer":'
_COMPRESSION: Final = 6


class ExportWriter:
    """Writes the lines of an export; in a ``with``, at whose end it holds on to nothing of the file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._packed = gzip.GzipFile(
            filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=file, mtime=0
        )
        self._digest = sha256()
        self._size = 0
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Also after an error, while the file is open: it would be written to when this is collected.
        with suppress(OSError):
            self._packed.close()

    def line(self, content: dict[str, Any]) -> None:
        """Writes a line.

        Raises:
            LimitExceededError: The export becomes larger than can be opened.
        """
        data = json_bytes(content) + b"\n"
        self._size += len(data)
        self._rows += _rows_of(content)
        if self._size > FILE_BYTES_MAX or self._rows > ROWS_MAX or len(data) > LINE_BYTES_MAX:
            raise LimitExceededError(
                f"the export is larger than {FILE_BYTES_MAX // MIB} MiB or {ROWS_MAX:,} operations, which is "
                "as much as can be opened: leave out --all-state, or export a shorter run",
                limit=FILE_BYTES_MAX,
                actual=self._size,
            )
        self._digest.update(data)
        self._packed.write(data)

    def finish(self, events: int) -> str:
        """Writes the trailer, and gives the digest."""
        proof = self._digest.hexdigest()
        self._packed.write(json_bytes({"trailer": {"events": events, "sha256": proof}}) + b"\n")
        self._packed.close()
        return proof


@contextmanager
def writing_to(path: Path, *, replace: bool) -> Iterator[IO[bytes]]:
    """Gives a file that gets its name when the block ends without an error (F1).

    Args:
        path: Its name.
        replace: Whether what has that name is replaced.

    Raises:
        AlreadyExistsError: Something has that name.
        OSError: The file cannot be made.
    """
    if not replace and os.path.lexists(path):
        raise _exists(path)
    # It holds what agents know, so it is for its owner alone.
    file = NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".partial", delete=False)  # noqa: SIM115
    made = Path(file.name)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            made.replace(path)
        else:
            _name(made, path)
        _sync_directory(path.parent)
    finally:
        made.unlink(missing_ok=True)


def _name(made: Path, path: Path) -> None:
    """Gives a file its name, unless something got that name meanwhile."""
    try:
        os.link(made, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError:
        # No file system without links can do both in one.
        if os.path.lexists(path):
            raise _exists(path) from None
        made.replace(path)


def _sync_directory(directory: Path) -> None:
    with suppress(OSError):
        # Not every system can sync a directory, or even open one.
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _exists(path: Path) -> AlreadyExistsError:
    return AlreadyExistsError(f"{str(path)!r} is there already; force=True replaces it", path=str(path))


class ExportLines:
    """The lines of an exported run, checked while they are read.

    Args:
        file: The file.
        name: What messages call it.

    Attributes:
        header: The first line.
        sha256: The digest, when all lines were read.
        size_bytes: How much was unpacked so far.

    Raises:
        CorruptionError: It is no exported run, or a damaged one.
        FormatVersionError: It was written by a newer Statehouse.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        self.sha256 = ""
        self.size_bytes = 0
        self._digest = sha256()
        self._raw = self._unpacked(gzip.GzipFile(fileobj=file, mode="rb"))
        self.header: dict[str, Any] = self._header()

    def _unpacked(self, packed: gzip.GzipFile) -> Iterator[bytes]:
        """The lines as they are; F2."""
        while True:
            try:
                line = packed.readline(LINE_BYTES_MAX + 1)
            except (OSError, EOFError, zlib.error) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                what = "is cut or damaged" if self.size_bytes else "is not an exported run"
                raise CorruptionError(f"{self.name} {what} ({error}); get the whole file") from None
            if not line:
                return
            self.size_bytes += len(line)
            if len(line) > LINE_BYTES_MAX or self.size_bytes > FILE_BYTES_MAX:
                raise self._too_large()
            yield line

    def _too_large(self) -> CorruptionError:
        return CorruptionError(
            f"{self.name} unpacks to more than an export may hold (lines of {LINE_BYTES_MAX // MIB} MiB, "
            f"{FILE_BYTES_MAX // MIB} MiB and {ROWS_MAX:,} operations in all): statehousectl did not make it"
        )

    def _header(self) -> dict[str, Any]:
        line = next(self._raw, b"")
        self._digest.update(line)
        header = _parsed(line)
        found = header.get(KEY) if isinstance(header, dict) else None
        if not isinstance(header, dict) or type(found) is not int or found < 1:
            raise CorruptionError(
                f"{self.name} is not an exported run: `statehousectl run export RUN -o run.shrun` makes one"
            )
        if found > FORMAT:
            raise FormatVersionError(
                f"{self.name} is an exported run of format {found}, written by Statehouse "
                f"{str(header.get('statehouse'))[:40]!r}; this one reads format {FORMAT}: upgrade it",
                found=found,
                supported=FORMAT,
            )
        return header

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The lines between header and trailer, then the check of the trailer (F3).

        Raises:
            CorruptionError: The file is cut or altered.
        """
        events = number = rows = 0
        for number, line in enumerate(self._raw, 2):
            if line.startswith(_TRAILER):
                self._check_trailer(line, events)
                return
            self._digest.update(line)
            content = _parsed(line)
            if not isinstance(content, dict):
                raise CorruptionError(f"{self.name}: line {number} is damaged; get an unaltered copy")
            events += "commit_ts" in content
            rows += _rows_of(content)
            if rows > ROWS_MAX:
                raise self._too_large()
            yield content
        raise CorruptionError(f"{self.name} is cut: it ends after line {max(number, 1)}; get the whole file")

    def _check_trailer(self, line: bytes, events: int) -> None:
        parsed = _parsed(line)
        trailer = parsed.get("trailer") if isinstance(parsed, dict) else None
        proof = self._digest.hexdigest()
        if trailer != {"events": events, "sha256": proof}:
            raise CorruptionError(
                f"{self.name} was altered: its lines are not those that its trailer was written for; get an "
                "unaltered copy"
            )
        if next(self._raw, b""):
            raise CorruptionError(f"{self.name}: there is more after its trailer; get an unaltered copy")
        self.sha256 = proof


def _rows_of(content: dict[str, Any]) -> int:
    rows = content.get("operations", content.get("keys"))
    return len(rows) if isinstance(rows, list | tuple) else 0


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
