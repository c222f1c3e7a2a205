"""Ranking: which documents are about a query, by BM25 over weighted fields.

A word in the name of a thing says more about it than a word in its summary, and that more than one further
down. What a query asks for and a document lacks counts against it, so that a long text does not win by
repeating one word of many.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from examples.research_agent.corpus import Doc
from examples.research_agent.terms import document_frequency, split_joined, stem, terms, words

_OWN_NAME: Final = 4.0
_OUTER_NAME: Final = 1.5
_SUMMARY: Final = 2.0
_PARAMETER: Final = 1.0
_BODY: Final = 1.0
_BODY_CHARS: Final = 1500
_SATURATION: Final = 1.2
_LENGTH: Final = 0.3
_NAMED: Final = 1.2
_NAMED_AS_CODE: Final = 4.0
_QUANTITY: Final = 2.5
_NEAR: Final = 2.0
# What lacks more than half of what was asked for, by rarity, is about something else.
_COVERED_MIN: Final = 0.5
_UNDOCUMENTED: Final = 0.5
_PROPERTY: Final = 0.5
_CODE: Final = re.compile(r"[A-Za-z]\w*(?:\.\w+)+|[A-Za-z]+_\w+|[A-Za-z]\w*(?=\()|(?<=`)\w+(?=`)")
_COUNTED: Final = re.compile(r"\b[0-9]+(?:\.[0-9]+)? ([a-z]+)")
# Deep inside a package things are rarely what somebody means who does not name the package.
_DEPTH: Final = 0.12


@dataclass(frozen=True, slots=True)
class Hit:
    """A document and how well it fits."""

    doc: Doc
    score: float


def weigh(docs: Sequence[Doc]) -> list[dict[str, float]]:
    """Gives the weight of each term in each document."""
    frequency = document_frequency(doc.text for doc in docs)
    split: dict[str, list[str]] = {}

    def name_terms(name: str) -> Iterable[str]:
        for word in words(name):
            yield stem(word)
            if word not in split:
                split[word] = [stem(part) for part in split_joined(word, frequency)]
            yield from split[word]

    return [_weights(doc, name_terms) for doc in docs]


def _weights(doc: Doc, name_terms: Callable[[str], Iterable[str]]) -> dict[str, float]:
    outer, _, own = doc.name.rpartition(".")
    weights: dict[str, float] = {}
    for weight, found in (
        (_OWN_NAME, name_terms(own)),
        (_OUTER_NAME, name_terms(outer)),
        (_SUMMARY, terms(doc.summary)),
        (_PARAMETER, terms(doc.signature)),
        (_BODY, terms(doc.text[len(doc.summary) : _BODY_CHARS])),
    ):
        for term in found:
            weights[term] = weights.get(term, 0.0) + weight
    return weights


class Ranking:
    """An index over documents; searching does not change it.

    Args:
        docs: The documents.
        weights: What `weigh` gave for them.
    """

    def __init__(self, docs: Sequence[Doc], weights: Sequence[dict[str, float]]) -> None:
        self._docs = docs
        lengths = [sum(terms.values()) for terms in weights]
        average = sum(lengths) / max(len(lengths), 1)
        self._norms = [1 - _LENGTH + _LENGTH * length / average for length in lengths]
        self._postings: dict[str, list[tuple[int, float]]] = {}
        for number, found in enumerate(weights):
            for term, weight in found.items():
                self._postings.setdefault(term, []).append((number, weight))

    def search(
        self, query: str, *, limit: int, accept: Callable[[Doc], bool] = lambda _: True, near: str = ""
    ) -> list[Hit]:
        """Gives the documents that fit a query best, best first; of equal ones the shorter name first.

        Args:
            query: Words and names, as people write them.
            limit: How many.
            accept: Which documents may be given.
            near: A module whose things are preferred.
        """
        asked = list(dict.fromkeys(terms(query)))
        rarity = {term: self._rarity(term) for term in asked}
        total = sum(rarity.values())
        scores: dict[int, float] = {}
        covered: dict[int, float] = {}
        for term in asked:
            for number, weight in self._postings.get(term, ()):
                gain = weight * (_SATURATION + 1) / (weight + _SATURATION * self._norms[number])
                scores[number] = scores.get(number, 0.0) + rarity[term] * gain
                covered[number] = covered.get(number, 0.0) + rarity[term]
        prior = _Prior(query, near)
        hits = [
            Hit(doc, round(score * covered[number] / total * prior.of(doc), 4))
            for number, score in scores.items()
            if covered[number] >= _COVERED_MIN * total and accept(doc := self._docs[number])
        ]
        hits.sort(key=lambda hit: (-hit.score, len(hit.doc.name), hit.doc.name))
        return hits[:limit]

    def _rarity(self, term: str) -> float:
        count = len(self._postings.get(term, ()))
        return math.log(1 + (len(self._docs) - count + 0.5) / (count + 0.5))


def code_names(text: str) -> list[str]:
    """Gives the words that are written as code: dotted, with an underscore, called, or in backticks."""
    return list(dict.fromkeys(_CODE.findall(text)))


def counted_words(text: str) -> list[str]:
    """Gives what a text has numbers of: ``add 3 days`` has days."""
    return _COUNTED.findall(text.lower())


class _Prior:
    """How likely a thing is meant, apart from its words."""

    def __init__(self, query: str, near: str) -> None:
        self._code = {name.lower() for name in code_names(query)}
        self._names = {name.strip(".,?!`()").lower() for name in query.split()}
        self._counted = counted_words(query)
        self._near = near

    def of(self, doc: Doc) -> float:
        prior = 1 / (1 + _DEPTH * doc.name.count("."))
        if not doc.text:
            prior *= _UNDOCUMENTED
        if doc.kind == "property":
            prior *= _PROPERTY
        full = doc.name.lower()
        if not self._code.isdisjoint((full, full.rpartition(".")[2])):
            prior *= _NAMED_AS_CODE
        elif not self._names.isdisjoint((full, full.rpartition(".")[2])):
            prior *= _NAMED
        # "3 days" means a parameter that is called days.
        if any(f"{word}=" in doc.signature for word in self._counted):
            prior *= _QUANTITY
        if self._near and f"{doc.name}.".startswith(f"{self._near}."):
            prior *= _NEAR
        return prior
