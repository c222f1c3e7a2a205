"""Semantic search: what is embedded, what is kept in memory, and that it follows whoever writes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings
from langgraph.store.base import PutOp, SearchOp

from statehouse import InvalidArgumentError, Statehouse
from statehouse.engine import open_engine
from statehouse.extend import GetMany, Replay, Scan
from statehouse.storage.memory import MemoryStore
from statehouse_langgraph import StatehouseStore
from tests.langgraph.store.colours import DIMS, Embedding, numbered, vector_of
from tests.langgraph.store.conftest import MakeStore
from tests.langgraph.store.watching import Watched, keys_read, scans_of_values

USER = ("users", "u-1")
WORDS = ["green tea", "black tea", "red cars", "fast cars", "tea", "boats"]
_NAMES = numbered("vectors")


def indexed(embed: Any = None, fields: list[str] | None = None) -> Any:
    """The configuration of an index."""
    return {"dims": DIMS, "embed": Embedding() if embed is None else embed, "fields": fields or ["text"]}


def scores(
    store: StatehouseStore, query: str, prefix: tuple[str, ...] = (), **options: Any
) -> dict[str, Any]:
    """What a search finds, with rounded scores."""
    found = store.search(prefix, query=query, limit=100, **options)
    return {item.key: None if item.score is None else round(item.score, 4) for item in found}


def cosine(left: Sequence[float], right: Sequence[float]) -> float:
    a, b = np.asarray(left), np.asarray(right)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_scores_are_cosines(make_store: MakeStore) -> None:
    store = make_store(index=indexed())
    for number, text in enumerate(WORDS):
        store.put(USER, str(number), {"text": text})
    expected = {
        str(number): pytest.approx(cosine(vector_of("fast tea"), vector_of(text)), abs=1e-4)
        for number, text in enumerate(WORDS)
    }
    assert scores(store, "fast tea") == expected


def test_the_best_of_several_vectors_counts(make_store: MakeStore) -> None:
    store = make_store(index=indexed(fields=["text", "notes[*].text", "$"]))
    store.put(USER, "many", {"text": "boats", "notes": [{"text": "red cars"}, {"text": "green tea"}]})
    store.put(USER, "one", {"text": "green cars"})
    assert scores(store, "green tea")["many"] == 1.0
    assert list(scores(store, "green tea")) == ["many", "one"]


def test_a_put_may_say_what_is_embedded(make_store: MakeStore) -> None:
    embedding = Embedding()
    store = make_store(index=indexed(embedding))
    store.put(USER, "other", {"text": "boats", "title": "green tea"}, index=["title"])
    store.put(USER, "none", {"text": "green tea"}, index=False)
    store.put(USER, "whole", {"text": "boats"}, index=["$"])
    assert embedding.embedded == ["green tea", '{"text": "boats"}']
    assert scores(store, "green tea")["other"] == 1.0
    # What has no vector comes last.
    assert list(scores(store, "green tea").items())[-1] == ("none", None)


def test_a_value_without_the_text_loses_its_vector(make_store: MakeStore) -> None:
    store = make_store(index=indexed())
    store.put(USER, "k", {"text": "green tea"})
    store.put(USER, "k", {"other": 1})
    assert scores(store, "green tea") == {"k": None}
    store.put(USER, "k", {"text": "green tea"})
    without_index = make_store(namespace=store._backing.namespace)
    without_index.put(USER, "k", {"text": "boats"})
    assert scores(store, "green tea") == {"k": None}


def test_pages_of_a_search_are_the_whole(make_store: MakeStore) -> None:
    store = make_store(index=indexed())
    for number in range(90):
        store.put(
            USER,
            f"k{number:02}",
            {"text": f"tea {number}", "even": number % 2 == 0},
            index=None if number < 80 else False,
        )
    whole = [item.key for item in store.search((), query="tea 7", limit=100)]
    pages = [
        item.key
        for start in range(0, 100, 7)
        for item in store.search((), query="tea 7", limit=7, offset=start)
    ]
    assert pages == whole
    assert len(set(whole)) == 90
    even = [item.key for item in store.search((), query="tea 7", limit=100, filter={"even": True})]
    assert even == [key for key in whole if int(key[1:]) % 2 == 0]


def test_nothing_is_embedded_twice_by_a_restart(tmp_path: Path) -> None:
    url, embedding = f"file:{tmp_path / 'store'}", Embedding()
    with StatehouseStore.from_conn_string(url, index=indexed()) as store:
        store.put(USER, "k", {"text": "green tea"})
    with StatehouseStore.from_conn_string(url, index=indexed(embedding)) as store:
        assert scores(store, "green tea") == {"k": 1.0}
    assert embedding.embedded == ["green tea"]


def test_each_text_of_a_batch_is_embedded_once(make_store: MakeStore) -> None:
    embedding = Embedding()
    store = make_store(index=indexed(embedding))
    ops = [PutOp(USER, f"k{number}", {"text": "green tea"}) for number in range(5)]
    store.batch(
        [*ops, PutOp(USER, "k0", {"text": "boats"}), SearchOp((), query="tea"), SearchOp(USER, query="tea")]
    )
    assert sorted(embedding.embedded) == ["boats", "green tea", "tea"]


def test_a_search_follows_what_another_store_does(make_store: MakeStore) -> None:
    store = make_store(index=indexed())
    other = make_store(index=indexed(), namespace=store._backing.namespace)
    assert scores(store, "green tea") == {}
    other.put(USER, "k", {"text": "green tea"})
    other.put(USER, "k2", {"text": "boats"})
    assert scores(store, "green tea")["k"] == 1.0
    other.put(USER, "k", {"text": "boats"})
    other.delete(USER, "k2")
    assert list(scores(store, "boats")) == ["k"]
    assert scores(store, "boats") == {"k": 1.0}


_writes = st.tuples(
    st.sampled_from([("a",), ("a", "b"), ("c",)]),
    st.sampled_from("klmn"),
    st.none() | st.sampled_from(WORDS),
    st.booleans(),
)


@pytest.mark.slow
@settings(max_examples=100)
@given(st.lists(st.lists(_writes, max_size=12), max_size=8), st.sampled_from([1, 4_000, 10**9]))
def test_a_search_that_follows_finds_what_a_new_store_finds(
    rounds: list[list[tuple[tuple[str, ...], str, str | None, bool]]], vectors_bytes: int
) -> None:
    with Statehouse("memory:") as handle:
        following = StatehouseStore(handle, index=indexed(), vectors_bytes=vectors_bytes)
        other = StatehouseStore(handle, index=indexed())
        for writes in rounds:
            for namespace, key, text, mine in writes:
                writer = following if mine else other
                if text is None:
                    writer.delete(namespace, key)
                else:
                    writer.put(namespace, key, {"text": text})
            new = StatehouseStore(handle, index=indexed())
            for prefix in ((), ("a",), ("a", "b")):
                assert _found(following, prefix) == _found(new, prefix)


def _found(store: StatehouseStore, prefix: tuple[str, ...]) -> dict[Any, float]:
    found = store.search(prefix, query="green cars", limit=100)
    assert all(item.score is not None for item in found)
    return {(item.namespace, item.key): round(item.score or 0.0, 4) for item in found}


def test_a_search_reads_no_vector_again(watched_store: MakeStore, watched: Watched) -> None:
    store = watched_store(index=indexed())
    store.batch([PutOp(USER, f"k{number}", {"text": f"tea {number}"}) for number in range(100)])
    store.search(USER, query="tea 5", limit=5)
    with watched.watch() as asked:
        store.search(USER, query="tea 7", limit=5)
    assert scans_of_values(asked, "vectors") == 0
    assert keys_read(asked) <= 32
    store.put(USER, "k1", {"text": "tea"})
    with watched.watch() as asked:
        store.search(USER, query="tea 7", limit=5)
    assert scans_of_values(asked, "vectors") == 0
    assert keys_read(asked) <= 33


@pytest.mark.slow
def test_many_changes_are_loaded_and_not_followed(watched_store: MakeStore, watched: Watched) -> None:
    store, other = watched_store(index=indexed()), watched_store(index=indexed())
    store.put(USER, "k", {"text": "tea"})
    assert scores(store, "tea") == {"k": 1.0}
    other.batch([PutOp(USER, f"k{number}", {"text": WORDS[number % 6]}) for number in range(2_100)])
    with watched.watch() as asked:
        assert store.search(USER, query="tea")[0].score == pytest.approx(1.0)
    assert scans_of_values(asked, "vectors") >= 1


def test_vectors_in_memory_are_bounded(make_store: MakeStore) -> None:
    store = make_store(index=indexed(), vectors_bytes=20_000)
    for number in range(40):
        store.batch(
            [PutOp(("users", f"u-{number}"), f"k{each}", {"text": f"tea {each}"}) for each in range(10)]
        )
    cache = store._means.cache
    assert cache is not None
    for number in range(40):
        assert len(scores(store, "tea 3", ("users", f"u-{number}"))) == 10
        assert cache.size_bytes <= 20_000
    # Larger by itself than what there may be: read for each search.
    assert scores(store, "tea 3")["k3"] == 1.0
    assert len(store.search((), query="tea 3", limit=1_000)) == 400
    assert cache.size_bytes <= 20_000


def test_another_store_in_the_place_of_the_first_is_noticed(
    watched: Watched, watched_store: MakeStore
) -> None:
    store = watched_store(index=indexed())
    store.put(USER, "old", {"text": "green tea"})
    assert scores(store, "green tea") == {"old": 1.0}
    with closing(open_engine(MemoryStore())) as engine:
        new = StatehouseStore(Statehouse.from_engine(engine), index=indexed())
        for number in range(5):
            new.put(USER, f"new {number}", {"text": WORDS[number]})
        watched.engine = engine
        assert scores(store, "green tea") == scores(new, "green tea")
        assert len(scores(store, "green tea")) == 5


def test_the_past_is_searched_by_meaning_too(make_store: MakeStore) -> None:
    store = make_store(index=indexed())
    store.put(USER, "k", {"text": "green tea"})
    item = store.get(USER, "k")
    assert item is not None
    store.put(USER, "k", {"text": "boats"})
    store.put(USER, "k2", {"text": "green tea"})
    found = store.as_of(item.commit_ts).search((), query="green tea")
    assert [each.key for each in found] == ["k"]
    assert found[0].score == pytest.approx(1.0)


def test_searches_of_one_batch_see_one_commit(watched_store: MakeStore, watched: Watched) -> None:
    store = watched_store(index=indexed())
    store.put(("a",), "k", {"text": "tea"})
    store.put(("b",), "k", {"text": "tea"})
    with watched.watch() as asked:
        store.batch([SearchOp(("a",), query="tea"), SearchOp(("b",), query="tea"), SearchOp(())])
    ats = {each.at for each in asked if isinstance(each, Scan | GetMany) and "items" in repr(each)}
    assert len(ats) == 1
    assert None not in ats


def test_an_awaiting_search_of_many_gives_the_same(make_store: MakeStore) -> None:
    store = make_store(index=indexed())
    store.batch(
        [PutOp(USER, f"k{number}", {"text": f"tea {number}", "pad": "x" * 200}) for number in range(500)]
    )

    async def search() -> list[Any]:
        return [
            await store.asearch((), query="tea 7", limit=5),
            await store.asearch((), filter={"pad": {"$ne": 1}}),
        ]

    blocking = [store.search((), query="tea 7", limit=5), store.search((), filter={"pad": {"$ne": 1}})]
    assert asyncio.run(search()) == blocking


def test_an_embedding_function_may_await(make_store: MakeStore) -> None:
    async def embed(texts: Sequence[str]) -> list[list[float]]:
        await asyncio.sleep(0)
        return [vector_of(text) for text in texts]

    store = make_store(index=indexed(embed))

    async def use() -> float | None:
        await store.aput(USER, "k", {"text": "green tea"})
        return (await store.asearch((), query="green tea"))[0].score

    assert asyncio.run(use()) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="async"):
        store.put(USER, "k", {"text": "green tea"})


def test_a_langchain_embedding_is_taken_as_it_is(make_store: MakeStore) -> None:
    class Model(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [vector_of(text) for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return vector_of(text)

    model = Model()
    store = make_store(index=indexed(model))
    store.put(USER, "k", {"text": "tea"})
    assert store.embeddings is model
    assert scores(store, "tea") == {"k": 1.0}


@pytest.mark.parametrize(
    "made",
    [[], [[1.0]], [[1.0] * (DIMS + 1)], [[float("nan")] * DIMS], [["x"] * DIMS], None, [[1.0] * DIMS] * 2],
)
def test_vectors_that_make_no_sense_are_refused_and_nothing_is_stored(
    make_store: MakeStore, made: Any
) -> None:
    store = make_store(index=indexed(lambda _: made))
    with pytest.raises(InvalidArgumentError, match="embedding function"):
        store.put(USER, "k", {"text": "tea"})
    assert store.get(USER, "k") is None


def test_vectors_of_zeros_are_like_nothing(make_store: MakeStore) -> None:
    store = make_store(index=indexed(lambda texts: [[0.0] * DIMS for _ in texts]))
    store.put(USER, "k", {"text": "tea"})
    assert scores(store, "tea") == {"k": 0.0}


def test_vectors_of_another_size_are_left_out_with_a_warning(
    make_store: MakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    store = make_store(index=indexed())
    store.put(USER, "old", {"text": "tea"})
    index = {"dims": 2, "embed": lambda texts: [[1.0, 2.0] for _ in texts], "fields": ["text"]}
    other = make_store(namespace=store._backing.namespace, index=index)
    other.put(USER, "new", {"text": "tea"})
    assert scores(other, "tea") == {"new": 1.0, "old": None}
    assert "put their items again" in caplog.text


def test_without_an_index_a_query_says_nothing(make_store: MakeStore) -> None:
    store = make_store()
    store.put(USER, "k", {"text": "tea"}, index=["text"])
    assert scores(store, "boats") == {"k": None}


@pytest.mark.parametrize(
    "index",
    [{"embed": len}, {"dims": 0, "embed": len}, {"dims": 3}, {"dims": 3, "embed": len, "fields": [1]}],
)
def test_an_index_that_makes_no_sense_is_refused(make_store: MakeStore, index: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="index"):
        make_store(index=index)


@pytest.mark.slow
def test_a_store_without_an_index_needs_no_numpy_and_one_with_it_says_so() -> None:
    program = """
import sys
sys.modules["numpy"] = None
from statehouse import Statehouse
from statehouse_langgraph import StatehouseStore
with Statehouse("memory:") as sh:
    StatehouseStore(sh).put(("a",), "k", {"n": 1})
    try:
        StatehouseStore(sh, index={"dims": 3, "embed": len})
    except ImportError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "semantic search needs numpy: pip install 'statehouse-langgraph[search]'\n", (
        done.stderr
    )


def test_a_page_that_follows_names_the_store_it_is_of(watched_store: MakeStore, watched: Watched) -> None:
    store = watched_store(index=indexed())
    store.put(USER, "k", {"text": "tea"})
    store.search((), query="tea")
    with watched.watch() as asked:
        store.search((), query="tea")
    (replay,) = [each for each in asked if isinstance(each, Replay)]
    assert (replay.store_id, replay.epoch, replay.payloads) == (
        store._backing.connection.seen.store_id,
        1,
        False,
    )
