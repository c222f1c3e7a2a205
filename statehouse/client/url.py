"""What a URL means.

::

    (none)                   $STATEHOUSE_URL, or localhost:50051
    file:./agent-data        embedded, RocksDB in that directory; file:///absolute/path and a Path too
    memory:                  embedded, private to the handle
    memory:NAME              embedded, shared by all handles of this process that say NAME
    host:port                a daemon; statehouse://host:port is the same
    unix:/path               a daemon's socket; unix:///absolute/path and unix:./relative/path too
    run.shrun                an exported run: `statehouse.debug.open` opens it, and statehousectl does
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final, Literal

from statehouse.errors import InvalidArgumentError

_PORT: Final = 50051
DEFAULT_URL: Final = f"localhost:{_PORT}"
URL_VARIABLE: Final = "STATEHOUSE_URL"

_HOST_PORT: Final = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_SOCKET_BYTES_MAX: Final = 107
_HOST: Final = re.compile(r"\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+")

_EXPORT_SUFFIX: Final = ".shrun"
_GZIP_MAGIC: Final = b"\x1f\x8b"

_FORMS: Final = (
    "use file:./directory (embedded, on disk), memory: or memory:NAME (embedded, in memory), "
    "or host:port or unix:/path (a daemon)"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is.

    Attributes:
        kind: ``file``, ``memory``, ``remote`` or ``export``.
        where: The resolved directory or file, the name of the memory (empty: private), or the daemon's
            address.
        url: How people call it.
    """

    kind: Literal["file", "memory", "remote", "export"]
    where: str
    url: str


def parse(url: str | os.PathLike[str] | None) -> Address:
    """Gives the address that a URL means.

    Args:
        url: A URL, a path object for a directory, or None for ``$STATEHOUSE_URL`` or the local daemon.

    Raises:
        InvalidArgumentError: It is none of the known forms; the message lists them.
    """
    if url is None:
        url = os.environ.get(URL_VARIABLE) or DEFAULT_URL
    if isinstance(url, os.PathLike):
        return _directory(os.fspath(url), f"file:{os.fspath(url)}")
    if not isinstance(url, str):
        raise InvalidArgumentError(f"a URL must be a str or a path, not {type(url).__name__}: {url!r:.80}")
    if url.startswith("file:"):
        return _file(url)
    if url.startswith("memory:"):
        return _memory(url)
    if _names_export(url):
        return _directory(_home(url), url)
    return _remote(url)


def _names_export(url: str) -> bool:
    """Whether this is the path of an exported run; that of a store begins with ``file:``."""
    if url.startswith((".", "/", "~")):
        return url.endswith(_EXPORT_SUFFIX) or _is_packed(_home(url))
    return url.endswith(_EXPORT_SUFFIX) and not url.startswith(("unix:", "statehouse:"))


def _file(url: str) -> Address:
    path = url.removeprefix("file:")
    if path.startswith("//"):
        # Only this form is a URI with percent-encoding, as Path.as_uri makes it.
        from urllib.parse import unquote  # noqa: PLC0415 - rarely needed, and slow to load

        host, slash, rest = path[2:].partition("/")
        if host not in ("", "localhost") or not slash:
            raise InvalidArgumentError(
                f"{url!r:.200} names the host {host!r}; a directory of this machine is file:///absolute/path "
                "or file:./relative/path"
            )
        path = unquote("/" + rest)
        if os.name == "nt" and re.match("/[A-Za-z]:", path):
            path = path[1:]
    return _directory(_home(path), url)


def _home(path: str) -> str:
    return os.path.expanduser(path) if path.startswith("~") else path  # noqa: PTH111 - pathlib is a third of what `import statehouse` takes


def _directory(path: object, url: str) -> Address:
    if not isinstance(path, str) or not path or "\0" in path:
        raise InvalidArgumentError(f"{url!r:.200} names no directory; write file:./directory")
    try:
        resolved = os.path.realpath(path)
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(f"{url!r:.200} cannot be resolved: {error}") from None
    is_export = _is_packed(resolved) or (resolved.endswith(_EXPORT_SUFFIX) and not os.path.isdir(resolved))  # noqa: PTH112 - likewise
    return Address("export" if is_export else "file", resolved, url)


def _is_packed(path: str) -> bool:
    """Whether this is a file like that of an exported run: a store is a directory."""
    if not os.path.isfile(path):  # noqa: PTH113 - likewise
        return False
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - likewise
            return file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    except OSError:
        return False


def _memory(url: str) -> Address:
    name = url.removeprefix("memory:")
    if "/" in name or not name.isprintable() or len(name) > 128:
        raise InvalidArgumentError(
            f"{url!r:.200}: the name of a memory is at most 128 printable characters without a slash"
        )
    return Address("memory", name, url)


def _socket(url: str) -> Address:
    path = url.removeprefix("unix:")
    if path.startswith("//"):
        if not path.startswith("///"):
            raise InvalidArgumentError(f"{url!r:.200} names a host; a socket of this machine is unix:/path")
        path = path[2:]
    if not path or path.endswith("/") or "\0" in path:
        raise InvalidArgumentError(f"{url!r:.200} names no socket; write unix:/path")
    where = os.path.abspath(path)  # noqa: PTH100 - pathlib is a third of what `import statehouse` takes
    try:
        size = len(where.encode())
    except UnicodeError as error:
        raise InvalidArgumentError(f"{url!a:.200} cannot be said in UTF-8: {error}") from None
    if size > _SOCKET_BYTES_MAX:
        raise InvalidArgumentError(
            f"the path of a socket has at most {_SOCKET_BYTES_MAX} bytes: {where!r:.200} has {size}"
        )
    return Address("remote", f"unix:{where}", url)


def _remote(url: str) -> Address:
    if url.startswith("unix:"):
        return _socket(url)
    where = url.removeprefix("statehouse://").removesuffix("/") if url.startswith("statehouse://") else url
    found = _HOST_PORT.fullmatch(where)
    if found and 0 < int(found.group(2)) < 65536:
        return Address("remote", where, url)
    if url.startswith("statehouse://") and _HOST.fullmatch(where):
        return Address("remote", f"{where}:{_PORT}", url)
    if found:
        raise InvalidArgumentError(f"{url!r:.200}: a port is a number from 1 to 65535, as in {DEFAULT_URL}")
    meant = " or ".join(_meant(url))
    hint = f"; did you mean {meant} ?" if meant else ""
    raise InvalidArgumentError(f"not a Statehouse URL: {url!r:.200}; {_FORMS}{hint}")


def _meant(url: str) -> list[str]:
    """What somebody may have meant who wrote neither a scheme nor a port."""
    if url.startswith((".", "/", "~")):
        return [f"file:{url:.200}"]
    if not url or ":" in url.rpartition("]")[2]:
        return []
    is_path = "/" in url or _is_directory(url)
    is_host = _HOST.fullmatch(url) is not None and not is_path
    is_known = is_host and (url == "localhost" or "." in url or url.startswith("["))
    directory = [] if is_known else [f"file:./{url:.200}"]
    return [*directory, *([f"{url:.200}:{_PORT}"] if is_host else [])]


def _is_directory(path: str) -> bool:
    try:
        return os.path.isdir(path)  # noqa: PTH112 - pathlib is a third of what `import statehouse` takes
    except ValueError:
        return False
