"""How the values of settings are written: as text in flags and variables, and as values of TOML.

A kind reads both into the same value, says in its `ValueError` what would have been right, and writes the
value as TOML that reads back the same.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TypeVar

from statehouse.daemon.logs import levels_of
from statehouse.protocol.limits import KIB, MIB
from statehouse.rpc.addresses import Address, Tcp, parse_address

__all__ = [
    "Addresses",
    "Bytes",
    "Choice",
    "Directory",
    "Endpoint",
    "Kind",
    "Levels",
    "Seconds",
    "Switch",
    "Whole",
    "toml_text",
]

T_co = TypeVar("T_co", covariant=True)


class Kind(Protocol[T_co]):
    """How the values of one setting are written."""

    @property
    def metavar(self) -> str:
        """What stands for a value in the help."""
        ...

    @property
    def natives(self) -> tuple[type, ...]:
        """The types that TOML gives for it."""
        ...

    @property
    def noun(self) -> str:
        """What a value is, for a message: "a whole number"."""
        ...

    def read(self, value: Any) -> T_co:
        """Gives the value.

        Args:
            value: A text, or one of the `natives`.

        Raises:
            ValueError: It makes no sense; the text says what would.
        """
        ...

    def toml(self, value: Any) -> str:
        """Gives a value as TOML."""
        ...

    def shown(self, value: Any) -> str:
        """Gives a value as people read it best."""
        ...


def toml_text(text: str) -> str:
    """Gives a text as a string of TOML."""
    # JSON's escapes are TOML's, but for DEL, which TOML does not take as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


_WORDS: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    metavar: ClassVar[str] = ""
    natives: ClassVar[tuple[type, ...]] = (bool,)
    noun: ClassVar[str] = "true or false"

    def read(self, value: Any) -> bool:
        """Gives the value."""
        word = _WORDS.get(str(value).strip().lower())
        if word is None:
            raise ValueError(f"{value!r:.80} is neither true nor false (1 nor 0, yes nor no, on nor off)")
        return word

    def toml(self, value: Any) -> str:
        """Gives a value as TOML."""
        return "true" if value else "false"

    def shown(self, value: Any) -> str:
        """Gives a value as people read it best."""
        return "on" if value else "off"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `low` to `high`, both inclusive."""

    low: int
    high: int
    metavar: str = "N"
    natives: ClassVar[tuple[type, ...]] = (int,)
    noun: ClassVar[str] = "a whole number"

    def read(self, value: Any) -> int:
        """Gives the number."""
        text = str(value).strip()
        number = int(text) if re.fullmatch("-?[0-9]{1,18}", text) else None
        if number is None or not self.low <= number <= self.high:
            raise ValueError(f"{value!r:.80} is not a whole number from {self.low:,} to {self.high:,}")
        return number

    def toml(self, value: Any) -> str:
        """Gives a value as TOML."""
        return str(value)

    def shown(self, value: Any) -> str:
        """Gives a value as people read it best."""
        return f"{value:,}"


_UNITS: Final = {"": 1, "KiB": KIB, "MiB": MIB, "GiB": 1024 * MIB}


@dataclass(frozen=True, slots=True)
class Bytes:
    """A number of bytes from `low` to `high`, both inclusive, which may have a unit: ``64MiB``."""

    low: int
    high: int
    metavar: ClassVar[str] = "BYTES"
    natives: ClassVar[tuple[type, ...]] = (int, str)
    noun: ClassVar[str] = "a number of bytes"

    def read(self, value: Any) -> int:
        """Gives the number of bytes."""
        found = re.fullmatch(r"([0-9]{1,18}) ?(|KiB|MiB|GiB)", str(value).strip())
        size = int(found[1]) * _UNITS[found[2]] if found else None
        if size is None or not self.low <= size <= self.high:
            low, high = _shown_bytes(self.low), _shown_bytes(self.high)
            raise ValueError(
                f"{value!r:.80} is not a number of bytes from {low} to {high}; write 1048576, 1024KiB or 1MiB"
            )
        return size

    def toml(self, value: Any) -> str:
        """Gives a value as TOML."""
        return str(value)

    def shown(self, value: Any) -> str:
        """Gives a value as people read it best."""
        return _shown_bytes(value)


def _shown_bytes(size: int) -> str:
    """Gives a size as people write it, exactly."""
    unit = next((unit for unit in ("GiB", "MiB", "KiB") if size and size % _UNITS[unit] == 0), "")
    return f"{size // _UNITS[unit]} {unit}".strip()


@dataclass(frozen=True, slots=True)
class Seconds:
    """A number of seconds from `low` to `high`, both inclusive."""

    low: float
    high: float
    metavar: ClassVar[str] = "SECONDS"
    natives: ClassVar[tuple[type, ...]] = (int, float)
    noun: ClassVar[str] = "a number of seconds"

    def read(self, value: Any) -> float:
        """Gives the number of seconds."""
        try:
            seconds = float(value)
        except (ValueError, OverflowError):
            seconds = math.nan
        if not self.low <= seconds <= self.high:
            raise ValueError(f"{value!r:.80} is not a number of seconds from {self.low:g} to {self.high:g}")
        return seconds

    def toml(self, value: Any) -> str:
        """Gives a value as TOML."""
        return repr(float(value))

    def shown(self, value: Any) -> str:
        """Gives a value as people read it best."""
        return f"{value:g}"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]
    natives: ClassVar[tuple[type, ...]] = (str,)
    noun: ClassVar[str] = "a text"

    @property
    def metavar(self) -> str:
        """The words."""
        return "|".join(self.words)

    def read(self, value: Any) -> str:
        """Gives the word."""
        if value not in self.words:
            raise ValueError(f"{value!r:.80} is neither {' nor '.join(self.words)}")
        return str(value)

    def toml(self, value: Any) -> str:
        """Gives a value as TOML."""
        return toml_text(value)

    def shown(self, value: Any) -> str:
        """Gives a value as people read it best."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory, which need not be there yet."""

    metavar: ClassVar[str] = "DIRECTORY"
    natives: ClassVar[tuple[type, ...]] = (str,)
    noun: ClassVar[str] = "a text"

    def read(self, value: Any) -> Path:
        """Gives the path; ``~`` is the home of the user."""
        text = str(value)
        if not text or "\0" in text:
            raise ValueError(f"{text!r:.80} names no directory")
        if text.startswith(("file:", "memory:")):
            raise ValueError(
                f"{text!r:.80} is a URL; write the directory itself: {text.split(':', 1)[1] or './data'}"
            )
        try:
            return Path(text).expanduser()
        except RuntimeError as error:
            raise ValueError(f"{text!r:.80} names no directory: {error}") from None

    def toml(self, value: Any) -> str:
        """Gives a value as TOML."""
        return toml_text(str(value))

    def shown(self, value: Any) -> str:
        """Gives a value as people read it best."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses to listen on: several flags, a list of TOML, or a text with commas between them."""

    metavar: ClassVar[str] = "ADDRESS"
    natives: ClassVar[tuple[type, ...]] = (str, list)
    noun: ClassVar[str] = "an address, or a list of addresses"

    def read(self, value: Any) -> tuple[Address, ...]:
        """Gives the addresses, each once."""
        texts = [value] if isinstance(value, str) else value
        addresses = [
            parse_address(part.strip())
            for text in texts
            for part in (text.split(",") if isinstance(text, str) else [repr(text)])
            if part.strip()
        ]
        if not addresses:
            raise ValueError("there is no address to listen on; leave it out for the default one")
        return tuple(dict.fromkeys(addresses))

    def toml(self, value: Any) -> str:
        """Gives a value as TOML."""
        return f"[{', '.join(toml_text(str(address)) for address in value)}]"

    def shown(self, value: Any) -> str:
        """Gives a value as people read it best."""
        return ", ".join(map(str, value))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a host and a port."""

    metavar: ClassVar[str] = "HOST:PORT"
    natives: ClassVar[tuple[type, ...]] = (str,)
    noun: ClassVar[str] = "an address"

    def read(self, value: Any) -> Tcp:
        """Gives the address."""
        address = parse_address(str(value).strip())
        if not isinstance(address, Tcp):
            raise ValueError(f"{value!r:.80} is a socket, which nobody scrapes; write HOST:PORT")  # noqa: TRY004 - as all that `read` refuses
        return address

    def toml(self, value: Any) -> str:
        """Gives a value as TOML."""
        return toml_text(str(value))

    def shown(self, value: Any) -> str:
        """Gives a value as people read it best."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Levels:
    """What is logged: a level, and levels of single areas: ``info,rpc=debug``."""

    metavar: ClassVar[str] = "LEVEL"
    natives: ClassVar[tuple[type, ...]] = (str,)
    noun: ClassVar[str] = "a text"

    def read(self, value: Any) -> str:
        """Gives the text."""
        text = str(value).strip()
        levels_of(text)
        return text

    def toml(self, value: Any) -> str:
        """Gives a value as TOML."""
        return toml_text(value)

    def shown(self, value: Any) -> str:
        """Gives a value as people read it best."""
        return str(value)
