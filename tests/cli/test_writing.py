"""Writes: values from everywhere, preconditions, and what cannot be a value."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_put_makes_a_store_and_says_so(run: Run, directory: Path) -> None:
    done = run("put", "a", "k", "1")
    assert (done.code, done.err) == (0, f"statehousectl: making a new store in {directory}\n")


def test_put_gives_the_commit_ts(anywhere: Run) -> None:
    assert anywhere("put", "a", "k", "1", "--json").document["commit_ts"] == 1


@pytest.mark.parametrize("value", ['{"a":[1,2.5,null,true]}', '"tea"', "1152921504606846976", '"\u202e\x85"'])
def test_a_json_value_comes_back_as_it_was_put(anywhere: Run, value: str) -> None:
    anywhere("put", "a", "k", value)
    assert json.loads(anywhere("get", "a", "k").out) == json.loads(value)


def test_put_reads_stdin(anywhere: Run) -> None:
    anywhere("put", "a", "k", "-", stdin=b"[1]")
    assert anywhere("get", "a", "k").out == "[1]\n"


def test_put_reads_a_file(anywhere: Run, tmp_path: Path) -> None:
    tmp_path.joinpath("value.json").write_text('{"a": 1}\n')
    anywhere("put", "a", "k", f"@{tmp_path / 'value.json'}")
    assert anywhere("get", "a", "k").out == '{"a":1}\n'


def test_put_bytes_stores_any_bytes(anywhere: Run) -> None:
    anywhere("put", "a", "k", "-", "--bytes", stdin=b"\xff\x00\n")
    assert anywhere("get", "a", "k").raw == b"\xff\x00\n"


def test_put_text_stores_a_text_as_it_stands(anywhere: Run) -> None:
    anywhere("put", "a", "k", "make tea", "--text")
    assert anywhere("get", "a", "k").out == '"make tea"\n'


def test_put_of_a_bare_word_says_how_a_text_is_written(run: Run, directory: Path) -> None:
    done = run("put", "a", "k", "tea")
    assert (done.code, directory.exists()) == (2, False)
    assert "'\"tea\"'" in done.err


@pytest.mark.parametrize(
    "args",
    [
        ("a", "b", "NaN"),
        ("a", "b", "[" * 40 + "]" * 40),
        ("a", "b", '"\\ud800"'),
        ("a", "", "1"),
        ("", "b", "1"),
        ("a" * 300, "b", "1"),
        ("a", "b", "1", "-n", ""),
        ("a", "b", "1", "--timeout", "0"),
        ("a", "b", "1", "--timeout", "nan"),
    ],
    ids=lambda args: " ".join(args)[:30],
)
def test_put_of_what_cannot_be_written_makes_no_store(
    run: Run, directory: Path, args: tuple[str, ...]
) -> None:
    done = run("put", *args)
    assert (done.code, directory.exists()) == (2, False)
    assert "making a new store" not in done.err


def test_put_into_a_directory_of_other_things_does_not_say_that_it_makes_a_store(
    run: Run, directory: Path
) -> None:
    directory.mkdir()
    directory.joinpath("notes.txt").touch()
    done = run("put", "a", "k", "1")
    assert done.code == 2
    assert "is not empty and is not a store" in done.err
    assert "making a new store" not in done.err


def test_put_of_a_value_with_a_dash_says_how(anywhere: Run) -> None:
    assert "write -- before" in anywhere("put", "a", "k", "-5").err
    assert anywhere("put", "a", "k", "--", "-5").code == 0


def test_put_if_version_of_a_missing_key_is_0(anywhere: Run) -> None:
    assert anywhere("put", "a", "k", "1", "--if-version", "0").code == 0
    assert anywhere("put", "a", "k", "2", "--if-version", "0").code == 4
    assert anywhere("get", "a", "k").out == "1\n"


def test_put_if_commit_ts_compares_the_commit(anywhere: Run) -> None:
    anywhere("put", "a", "k", "1")
    assert anywhere("put", "a", "k", "2", "--if-commit-ts", "7").code == 4
    assert anywhere("put", "a", "k", "2", "--if-commit-ts", "1").code == 0


def test_delete_takes_the_value_away(anywhere: Run) -> None:
    anywhere("put", "a", "k", "1")
    assert anywhere("delete", "a", "k", "--json").document["commit_ts"] == 2
    assert anywhere("get", "a", "k").code == 3


def test_delete_makes_no_store(run: Run, directory: Path) -> None:
    assert (run("delete", "a", "k").code, directory.exists()) == (5, False)


def test_delete_if_version_changes_nothing_when_it_does_not_hold(anywhere: Run) -> None:
    anywhere("put", "a", "k", "1")
    assert anywhere("delete", "a", "k", "--if-version", "2").code == 4
    assert anywhere("get", "a", "k").out == "1\n"
