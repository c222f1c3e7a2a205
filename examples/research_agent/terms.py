"""Words as the search compares them: lower case, split where identifiers join words, without endings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final

_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+[0-9]*|[A-Z]+[0-9]*|[0-9]+")
_VOWEL: Final = re.compile("[aeiouy]")

STOP_WORDS: Final = frozenset(
    "a all also an and any are as at be been but by can could did do does for from get had has have how i "
    "if in into is it its let like make may me must my need of on or our please python should so some "
    "such tell than that the their them then there these they this those to us use used using very want "
    "was we were what when where which while who why will with would you your".split()
)

# Parts of a joined identifier may be short words that mean nothing in a sentence.
_JOINTS: Final = frozenset({"from", "is", "to", "of", "in", "at", "as", "on", "by", "un", "re"})
_COMMON: Final = 40
_KNOWN: Final = 4


def words(text: str) -> list[str]:
    """Gives the words of a text in lower case; ``parseISODate`` and ``parse_iso_date`` are three each."""
    return [word.lower() for word in _WORD.findall(text)]


def terms(text: str) -> list[str]:
    """Gives what is worth comparing: the words without numbers, stop words and endings."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS and not word.isdigit()]


@cache
def stem(word: str) -> str:
    """Gives a word without its grammatical ending: parse, parsed and parsing are all ``pars``."""
    if len(word) <= 3:
        return word
    for ending, kept in (("ies", "y"), ("sses", "ss"), ("ions", ""), ("ion", ""), ("ings", ""), ("ing", "")):
        if word.endswith(ending):
            return _finished(word, word.removesuffix(ending) + kept)
    for ending in ("ers", "er", "ed", "es", "s"):
        if word.endswith(ending) and not word.endswith(("ss", "us")):
            return _finished(word, word.removesuffix(ending))
    return word.removesuffix("e")


def _finished(word: str, short: str) -> str:
    if len(short) < 3 or not _VOWEL.search(short):
        return word
    if len(short) > 3 and short[-1] == short[-2] and short[-1] not in "sl":
        return short[:-1]
    return short.removesuffix("e") if len(short) > 3 else short


def split_joined(word: str, frequency: Mapping[str, int]) -> list[str]:
    """Gives the words that an identifier joins: ``fromisoformat`` is from, iso, format.

    Args:
        word: One word of an identifier, in lower case.
        frequency: In how many documents each word occurs.

    Returns:
        The fewest known words that make it up; empty when there are none, or when it is a common word itself.
    """
    if len(word) < 6 or frequency.get(word, 0) >= _COMMON:
        return []
    best: list[list[str] | None] = [[], *([None] * len(word))]
    for end in range(2, len(word) + 1):
        for start in range(end - 1):
            before, part = best[start], word[start:end]
            if before is None or not _is_part(part, word, frequency):
                continue
            known = best[end]
            if known is None or len(before) + 1 < len(known):
                best[end] = [*before, part]
    found = best[-1]
    return found if found is not None and len(found) > 1 else []


def _is_part(part: str, word: str, frequency: Mapping[str, int]) -> bool:
    if part == word:
        return False
    return part in _JOINTS or (len(part) >= 3 and frequency.get(part, 0) >= _KNOWN)


def document_frequency(texts: Iterable[str]) -> dict[str, int]:
    """Gives in how many of the texts each word occurs."""
    counts: dict[str, int] = {}
    for word in _once_each(texts):
        counts[word] = counts.get(word, 0) + 1
    return counts


def _once_each(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from set(words(text))
