"""What a step may be told: `@step(retries=3, timeout=30)`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from statehouse.client.arguments import check_count
from statehouse.errors import InvalidArgumentError

OnMismatch = Literal["error", "rerun", "reuse"]
Effect = Literal["at_least_once", "at_most_once", "none"]
IfUnknown = Literal["ask", "fail", "retry"]
Backoff = float | Callable[[int], float]

CONFLICT_RETRIES: Final = 10
_BACKOFF_S_MAX: Final = 60.0
_TIMEOUT_S_MAX: Final = 30 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a step; `statehouse.step` says what they mean.

    Raises:
        InvalidArgumentError: One of them makes no sense, or two that contradict each other.
    """

    name: str | None = None
    key: str | Callable[..., str] | None = None
    ignore: tuple[str, ...] = ()
    retries: int = 0
    backoff: Backoff = 1.0
    retry_if: Callable[[Exception], bool] | None = None
    errors: tuple[type[Exception], ...] = ()
    timeout: float | None = None
    conflict_retries: int = CONFLICT_RETRIES
    on_mismatch: OnMismatch | None = None
    effect: Effect = "at_least_once"
    if_unknown: IfUnknown = "ask"
    strict: bool = False

    def __post_init__(self) -> None:
        check_count("retries", self.retries, 0)
        check_count("conflict_retries", self.conflict_retries, 0)
        if self.on_mismatch is not None:
            check_word("on_mismatch", self.on_mismatch, get_args(OnMismatch))
        check_word("effect", self.effect, get_args(Effect))
        check_word("if_unknown", self.if_unknown, get_args(IfUnknown))
        if self.timeout is not None and not (_is_number(self.timeout) and 0 < self.timeout <= _TIMEOUT_S_MAX):
            raise InvalidArgumentError(
                f"timeout must be seconds, above 0 and at most 30 days: {self.timeout!r:.80}"
            )
        if not callable(self.backoff) and not (_is_number(self.backoff) and self.backoff >= 0):
            raise InvalidArgumentError(
                f"backoff must be seconds, or a function of the attempt that gives them: {self.backoff!r:.80}"
            )
        if self.effect == "at_most_once" and self.retries:
            raise InvalidArgumentError(
                "an at_most_once step runs once: retries= contradicts that. Leave it out, or make the step "
                "at_least_once and hand step.idempotency_key to whoever it calls"
            )
        if self.name is not None and not _is_text(self.name):
            raise InvalidArgumentError(f"name must be text: {self.name!r:.80}")
        if self.key is not None and not callable(self.key) and not _is_text(self.key):
            raise InvalidArgumentError(f"key must be text, or a function of the arguments: {self.key!r:.80}")
        if self.retry_if is not None and not callable(self.retry_if):
            raise InvalidArgumentError(f"retry_if must be a function of the exception: {self.retry_if!r:.80}")
        if not all(map(_is_text, self.ignore)):
            raise InvalidArgumentError(f"ignore must be names of parameters: {self.ignore!r:.80}")
        if not all(map(_is_exception, self.errors)):
            raise InvalidArgumentError(f"errors must be exception classes: {self.errors!r:.80}")

    def delay_s(self, attempt: int) -> float:
        """How many seconds to wait after an attempt that failed: each wait is twice the one before."""
        if callable(self.backoff):
            return max(0.0, float(self.backoff(attempt)))
        return float(min(_BACKOFF_S_MAX, self.backoff * 2 ** min(attempt - 1, 32)))

    def may_retry(self, attempts: int, error: Exception) -> bool:
        """Whether to run again after so many attempts, the last of which raised this."""
        return attempts <= self.retries and (self.retry_if is None or bool(self.retry_if(error)))

    def key_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """Gives the key of a call.

        Raises:
            InvalidArgumentError: It is no text.
        """
        key = self.key(*args, **kwargs) if callable(self.key) else self.key
        if key is not None and not _is_text(key):
            raise InvalidArgumentError(f"the key of a step must be text: {key!r:.80}")
        return key


def listed(what: str, values: Iterable[Any]) -> tuple[Any, ...]:
    """Gives the values of an option that takes several.

    Raises:
        InvalidArgumentError: It is one value, and no list of them.
    """
    if isinstance(values, str | bytes | type) or not isinstance(values, Iterable):
        raise InvalidArgumentError(f"{what} must be a list: write {what}=[...], not {values!r:.80}")
    return tuple(values)


def check_word(what: str, word: object, known: tuple[str, ...]) -> None:
    """Raises InvalidArgumentError unless this is one of the words."""
    if word not in known:
        raise InvalidArgumentError(f"{what} must be one of {', '.join(known)}: {word!r:.80}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)
