"""Flags, variables, a file and the defaults: which wins, and what is refused in which words."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import click
import pytest

from statehouse.daemon.config import Configuration, command, configure, require_consistent, unknown_variables
from statehouse.daemon.printed import as_toml
from statehouse.daemon.settings import SETTINGS, Settings
from statehouse.programs.exits import Exit, Refusal
from statehouse.rpc.addresses import Tcp, Unix

# A value for each setting that is not its default, as text and in TOML.
OTHERS: dict[str, tuple[str, str]] = {
    "data_dir": ("elsewhere", '"elsewhere"'),
    "memory": ("true", "true"),
    "durability": ("none", '"none"'),
    "accept_data_loss": ("true", "true"),
    "cache_bytes": ("64MiB", '"64MiB"'),
    "free_bytes_min": ("1GiB", "1073741824"),
    "listen": ("127.0.0.1:0", '["127.0.0.1:0"]'),
    "insecure": ("true", "true"),
    "drain_s": ("1.5", "1.5"),
    "log": ("debug", '"debug"'),
    "log_format": ("json", '"json"'),
    "telemetry": ("console", '"console"'),
    "metrics_listen": ("127.0.0.1:9464", '"127.0.0.1:9464"'),
    "value_bytes_max": ("1MiB", "1048576"),
    "transaction_bytes_max": ("2MiB", '"2 MiB"'),
    "transaction_operations_max": ("10", "10"),
    "requests_max": ("3", "3"),
    "request_bytes_max": ("1MiB", "1048576"),
    "staged_transactions_max": ("5", "5"),
    "staged_bytes_max": ("1MiB", "1048576"),
    "replays_max": ("7", "7"),
    "stall_s": ("0.5", "0.5"),
}
NO_LEVEL = (
    "'loud' is no log level; write one of debug, info, warning, error, and if need be AREA=LEVEL "
    "after a comma (info,rpc=debug), where AREA is one of daemon, engine, rpc, storage, txn"
)
NAMES = [setting.name for setting in SETTINGS]


def of(*args: str) -> Configuration:
    configuration, print_only = configure(args)
    assert not print_only
    return configuration


def refusal(*args: str) -> str:
    with pytest.raises(Refusal) as caught:
        require_consistent(of(*args))
    assert caught.value.code is Exit.USAGE
    return str(caught.value)


def flag(name: str) -> list[str]:
    text, toml = OTHERS[name]
    spelled = "--" + name.replace("_", "-")
    return [spelled] if toml == "true" else [spelled, text]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "statehoused.toml"


def test_every_setting_is_tried_below() -> None:
    assert set(OTHERS) == set(NAMES) == {each.name for each in fields(Settings)}


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_has_its_default(name: str) -> None:
    configuration = of()
    assert getattr(configuration.settings, name) == getattr(Settings(), name)
    assert configuration.sources[name] == "default"


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_is_read_from_the_file(name: str, file: Path) -> None:
    file.write_text(f"{name} = {OTHERS[name][1]}\n")
    configuration = of("--config", str(file))
    assert getattr(configuration.settings, name) != getattr(Settings(), name)
    assert configuration.sources[name] == str(file)


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_says_the_same_as_the_file(name: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(f"{name} = {OTHERS[name][1]}\n")
    said = getattr(of("--config", str(file)).settings, name)
    monkeypatch.setenv(f"STATEHOUSE_{name.upper()}", OTHERS[name][0])
    configuration = of()
    assert getattr(configuration.settings, name) == said
    assert configuration.sources[name] == f"STATEHOUSE_{name.upper()}"


@pytest.mark.parametrize("name", NAMES)
def test_a_flag_says_the_same_as_the_file(name: str, file: Path) -> None:
    file.write_text(f"{name} = {OTHERS[name][1]}\n")
    said = getattr(of("--config", str(file)).settings, name)
    configuration = of(*flag(name))
    assert getattr(configuration.settings, name) == said
    assert configuration.sources[name] == "--" + name.replace("_", "-")


def test_a_flag_wins_over_a_variable_and_a_variable_over_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('data_dir = "of-file"\ndrain_s = 1\nlog = "error"\ncache_bytes = 10000000\n')
    monkeypatch.setenv("STATEHOUSE_DATA_DIR", "of-variable")
    monkeypatch.setenv("STATEHOUSE_DRAIN_S", "2")
    settings = of("--config", str(file), "--data-dir", "of-flag").settings
    assert (settings.data_dir, settings.drain_s, settings.log) == (Path("of-flag"), 2.0, "error")


def test_a_flag_turns_off_what_a_variable_or_the_file_turns_on(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("memory = true\n")
    monkeypatch.setenv("STATEHOUSE_INSECURE", "yes")
    settings = of("--config", str(file), "--no-memory", "--no-insecure").settings
    assert not settings.memory
    assert not settings.insecure


@pytest.mark.parametrize("text, on", [("1", True), ("ON", True), ("no", False), ("0", False), ("", False)])
def test_a_switch_is_a_word_in_a_variable(text: str, on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATEHOUSE_MEMORY", text)
    assert of().settings.memory is on


def test_an_empty_variable_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(f"STATEHOUSE_{name.upper()}", "")
    monkeypatch.setenv("STATEHOUSE_CONFIG", "")
    assert of().settings == Settings()


def test_a_variable_names_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("memory = true\n")
    monkeypatch.setenv("STATEHOUSE_CONFIG", str(file))
    assert of().settings.memory


def test_several_flags_are_several_addresses() -> None:
    settings = of("--listen", "127.0.0.1:1", "--listen", "unix:/x", "--listen", "127.0.0.1:1").settings
    assert settings.listen == (Tcp("127.0.0.1", 1), Unix(Path("/x")))


@pytest.mark.parametrize("text", ["127.0.0.1:1,unix:/x", "127.0.0.1:1 unix:/x", " 127.0.0.1:1 , unix:/x "])
def test_a_variable_holds_several_addresses(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATEHOUSE_LISTEN", text)
    assert of().settings.listen == (Tcp("127.0.0.1", 1), Unix(Path("/x")))


def test_one_address_in_the_file_needs_no_list(file: Path) -> None:
    file.write_text('listen = "127.0.0.1:1"\n')
    assert of("--config", str(file)).settings.listen == (Tcp("127.0.0.1", 1),)


def test_the_log_level_may_be_called_so() -> None:
    assert of("--log-level", "debug").settings.log == "debug"


@pytest.mark.parametrize(
    "line, said",
    [
        ("data-dir = 'x'", "there is no setting 'data-dir'; did you mean data_dir?"),
        ("dta_dir = 'x'", "there is no setting 'dta_dir'; did you mean data_dir?"),
        ("zzz = 1", "there is no setting 'zzz'; statehoused --print-config lists all"),
        (
            "[limits]\nvalue_bytes_max = 1",
            "there is no setting 'limits'; statehoused --print-config lists all",
        ),
    ],
)
def test_an_unknown_key_is_named_with_what_is_like_it(file: Path, line: str, said: str) -> None:
    file.write_text(line)
    assert refusal("--config", str(file)) == f"{file}: {said}"


@pytest.mark.parametrize(
    "line, said",
    [
        ("data_dir = 5", "data_dir in {}: 5 is not a text"),
        ("memory = 1", "memory in {}: 1 is not true or false"),
        ("memory = 'yes'", "memory in {}: 'yes' is not true or false"),
        ("drain_s = '5'", "drain_s in {}: '5' is not a number of seconds"),
        ("drain_s = true", "drain_s in {}: True is not a number of seconds"),
        ("replays_max = 1.0", "replays_max in {}: 1.0 is not a whole number"),
        ("replays_max = true", "replays_max in {}: True is not a whole number"),
        ("cache_bytes = 1e9", "cache_bytes in {}: 1000000000.0 is not a number of bytes"),
        ("listen = 50051", "listen in {}: 50051 is not an address, or a list of addresses"),
        ("log = ['debug']", "log in {}: ['debug'] is not a text"),
    ],
)
def test_a_wrong_type_in_the_file_is_named_with_key_and_value(file: Path, line: str, said: str) -> None:
    file.write_text(line)
    assert refusal("--config", str(file)) == said.format(file)


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("durability", "often", "'often' is neither sync nor none"),
        ("drain_s", "-1", "'-1' is not a number of seconds from 0 to 3600"),
        ("drain_s", "3601", "'3601' is not a number of seconds from 0 to 3600"),
        ("drain_s", "nan", "'nan' is not a number of seconds from 0 to 3600"),
        ("drain_s", "soon", "'soon' is not a number of seconds from 0 to 3600"),
        ("replays_max", "0", "'0' is not a whole number from 1 to 100,000"),
        ("replays_max", "100001", "'100001' is not a whole number from 1 to 100,000"),
        ("replays_max", "1_0", "'1_0' is not a whole number from 1 to 100,000"),
        ("replays_max", "\u0663", "'\u0663' is not a whole number from 1 to 100,000"),
        (
            "value_bytes_max",
            "17MiB",
            "'17MiB' is not a number of bytes from 1 KiB to 16 MiB; write 1048576, 1024KiB or 1MiB",
        ),
        (
            "value_bytes_max",
            "1MB",
            "'1MB' is not a number of bytes from 1 KiB to 16 MiB; write 1048576, 1024KiB or 1MiB",
        ),
        ("data_dir", "file:./data", "'file:./data' is a URL; write the directory itself: ./data"),
        (
            "log",
            "loud",
            NO_LEVEL,
        ),
        ("listen", "50051", "'50051' is no address to listen on; write a host too: 127.0.0.1:50051"),
    ],
)
def test_a_value_that_makes_no_sense_is_named_with_where_it_was_said(
    name: str, text: str, said: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spelled = "--" + name.replace("_", "-")
    assert refusal(f"{spelled}={text}") == f"{spelled}: {said}"
    monkeypatch.setenv(f"STATEHOUSE_{name.upper()}", text)
    assert refusal() == f"STATEHOUSE_{name.upper()}: {said}"


@pytest.mark.parametrize(
    "line, said",
    [
        ("replays_max = 0", "replays_max in {}: 0 is not a whole number from 1 to 100,000"),
        ("drain_s = inf", "drain_s in {}: inf is not a number of seconds from 0 to 3600"),
        ("durability = 'Sync'", "durability in {}: 'Sync' is neither sync nor none"),
        ("listen = []", "listen in {}: there is no address to listen on; leave it out for the default one"),
        (
            "listen = [50051]",
            "listen in {}: '50051' is no address to listen on; write a host too: 127.0.0.1:50051",
        ),
    ],
)
def test_a_value_of_the_file_that_makes_no_sense_is_named(file: Path, line: str, said: str) -> None:
    file.write_text(line)
    assert refusal("--config", str(file)) == said.format(file)


def test_a_switch_that_is_no_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATEHOUSE_MEMORY", "perhaps")
    said = "'perhaps' is neither true nor false (1 nor 0, yes nor no, on nor off)"
    assert refusal() == f"STATEHOUSE_MEMORY: {said}"


@pytest.mark.parametrize(
    "content, said",
    [
        (b"memory = ", "is not TOML: Invalid value (at end of document)"),
        (b"memory = true\nmemory = true", "is not TOML: Cannot overwrite a value (at end of document)"),
        (b"\xff", "is not TOML: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_a_file_that_is_no_toml_is_named(file: Path, content: bytes, said: str) -> None:
    file.write_bytes(content)
    assert refusal("--config", str(file)) == f"{file} {said}"


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    assert refusal("--config", str(file)) == f"{file} cannot be read: No such file or directory"
    assert refusal("--config", str(file.parent)) == f"{file.parent} cannot be read: Is a directory"


def test_a_store_must_be_somewhere() -> None:
    assert refusal() == (
        "where is the store? Give --data-dir ./data (or STATEHOUSE_DATA_DIR, or data_dir in a file), "
        "or --memory, for one that ends with the process"
    )


def test_a_store_is_in_one_place(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = "are both given; a store is in a directory or in memory"
    assert refusal("--data-dir", "x", "--memory") == f"--data-dir and --memory {both}"
    monkeypatch.setenv("STATEHOUSE_MEMORY", "1")
    file.write_text("data_dir = 'x'\n")
    assert refusal("--config", str(file)) == f"data_dir in {file} and STATEHOUSE_MEMORY {both}"


def test_memory_loses_no_data_that_could_be_accepted() -> None:
    said = "--accept-data-loss is about a directory, and there is none: --memory"
    assert refusal("--memory", "--accept-data-loss") == said


def test_a_transaction_has_room_for_a_value() -> None:
    assert refusal("--memory", "--transaction-bytes-max", "1MiB") == (
        "transaction_bytes_max (1,048,576) is less than value_bytes_max (16,777,216): "
        "a transaction must have room for one value"
    )


def test_an_argument_is_taken_for_the_directory() -> None:
    assert refusal("data") == "'data' is no option; the directory of the store is given with --data-dir"


def test_an_option_that_is_misspelt_is_named_with_what_is_like_it() -> None:
    with pytest.raises(click.UsageError) as caught:
        configure(["--datadir", "x"])
    assert re.search("--datadir.*--data-dir", caught.value.format_message())


@pytest.mark.parametrize(
    "name, said",
    [
        (
            "STATEHOUSE_DATADIR",
            ["the variable STATEHOUSE_DATADIR sets nothing; did you mean STATEHOUSE_DATA_DIR?"],
        ),
        ("STATEHOUSE_QQQQ", ["the variable STATEHOUSE_QQQQ sets nothing"]),
        ("STATEHOUSE_DATA_DIR", []),
        ("STATEHOUSE_CONFIG", []),
        ("STATEHOUSE_URL", []),
        ("STATEHOUSE_TRACEBACK", []),
        ("STATEHOUSE_REQUIRE_ALL", []),
        ("STATEHOUSE_SERVICE_HOST", []),
        ("STATEHOUSE_SERVICE_PORT_GRPC", []),
        ("STATEHOUSE_PORT", []),
        ("STATEHOUSE_PORT_50051_TCP_ADDR", []),
        ("OTHER", []),
    ],
)
def test_a_variable_that_sets_nothing_is_warned_of(name: str, said: list[str]) -> None:
    assert unknown_variables([name]) == said


def test_no_setting_has_the_name_of_a_variable_of_kubernetes() -> None:
    taken = [setting.variable for setting in SETTINGS if unknown_variables([setting.variable])]
    assert not taken
    assert not [name for name in NAMES if name.startswith(("service_", "port"))]


def test_printed_settings_read_back_as_they_are(file: Path) -> None:
    flags = [part for name in NAMES for part in flag(name)]
    configuration = of(*flags)
    file.write_text(as_toml(configuration))
    assert of("--config", str(file)).settings == configuration.settings


def test_printed_settings_say_where_each_comes_from(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATEHOUSE_DRAIN_S", "3")
    file.write_text("replays_max = 5\n")
    printed = as_toml(of("--memory", "--config", str(file)))
    lines = {line.split(" ")[0]: line for line in printed.splitlines() if line[:1].isalpha()}
    assert lines["memory"].split() == ["memory", "=", "true", "#", "--memory"]
    assert lines["drain_s"].split() == ["drain_s", "=", "3.0", "#", "STATEHOUSE_DRAIN_S"]
    assert lines["replays_max"].split() == ["replays_max", "=", "5", "#", str(file)]
    assert lines["log"].split() == ["log", "=", '"info"', "#", "default"]
    assert "\n# data_dir =" in printed
    assert set(tomllib.loads(printed)) == set(NAMES) - {"data_dir", "free_bytes_min", "metrics_listen"}


@pytest.mark.parametrize("path", ['a"b', "a\\b", "a\x7fb", "\u6f22\U0001f600", "a\nb", "a # b"])
def test_any_directory_can_be_printed(path: str, file: Path) -> None:
    configuration = of("--data-dir", path)
    file.write_text(as_toml(configuration), encoding="utf-8")
    assert of("--config", str(file)).settings.data_dir == Path(path)


def test_the_help_has_every_setting_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.exceptions.Exit):
        configure(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert [setting.flag for setting in SETTINGS if setting.flag not in shown] == []
    assert "Default: 127.0.0.1:50051." in shown
    assert "Default: 128 MiB." in shown
    assert "Default: 10,000." in shown


def test_the_command_line_has_no_option_twice() -> None:
    names = [name for param in command().params for name in (*param.opts, *param.secondary_opts)]
    assert len(names) == len(set(names))
