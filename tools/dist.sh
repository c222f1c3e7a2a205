#!/bin/sh
# Builds sdists and wheels, and shows that they are what a stranger needs: each wheel is built from its sdist, its
# metadata is checked, it holds its package and nothing else, and it works in an environment of its own.
set -eu

python=$(pwd)/.venv-dist/bin/python

# The lines of $2 are run from elsewhere, so that no source tree is what gets imported.
in_environment() {
    (cd "$1" && bin/python -I -c "$2")
}

# install ENVIRONMENT LOCK WHEEL...
install() {
    clean=$1
    lock=$2
    shift 2
    PYTHON=$python tools/venv.sh "$clean" "$lock"
    "$clean/bin/python" -m pip --disable-pip-version-check install -qq --no-deps "$@"
    "$clean/bin/python" -m pip --disable-pip-version-check check
}

rm -rf dist build/dist-venv build/dist-venv-langgraph
for project in . integrations/*/; do
    "$python" -m build --no-isolation --outdir dist "$project"
done
"$python" -m twine check --strict dist/*

"$python" - dist/*.whl <<'PY'
import sys
from pathlib import Path
from zipfile import ZipFile

for wheel in sys.argv[1:]:
    package = Path(wheel).name.split("-")[0]
    names = ZipFile(wheel).namelist()
    strays = [name for name in names if not name.startswith(f"{package}/") and ".dist-info/" not in name]
    missing = {f"{package}/py.typed", f"{package}/_version.py"} - set(names)
    if package == "statehouse":
        missing |= {"statehouse/_build.py"} - set(names)
    if strays or missing:
        sys.exit(f"the wheel of {package} holds {strays} and lacks {sorted(missing)}")
    print(f"the wheel holds {len(names)} files, all of {package}")
PY

install build/dist-venv requirements/runtime.lock dist/statehouse-*.whl
in_environment build/dist-venv '
import pathlib

import statehouse
from statehouse._build import REVISION

assert "dist-venv" in str(pathlib.Path(statehouse.__file__)), statehouse.__file__
with statehouse.Statehouse("memory:") as sh:
    with sh.agent("dist").transaction() as tx:
        tx.write("answer", 42)
    assert sh.agent("dist").get_state("answer").value == 42
print(f"statehouse {statehouse.__version__} ({REVISION}) works from its wheel")
'
build/dist-venv/bin/statehousectl --help >/dev/null

install build/dist-venv-langgraph requirements/langgraph.lock dist/statehouse-*.whl dist/statehouse_langgraph-*.whl
in_environment build/dist-venv-langgraph '
import pathlib

import statehouse_langgraph

from langgraph.graph import END, START, MessagesState, StateGraph
from statehouse_langgraph import StatehouseSaver, StatehouseStore

assert "dist-venv" in str(pathlib.Path(statehouse_langgraph.__file__)), statehouse_langgraph.__file__
graph = StateGraph(MessagesState)
graph.add_node("answer", lambda state: {"messages": [("ai", "42")]})
graph.add_edge(START, "answer")
graph.add_edge("answer", END)
thread = {"configurable": {"thread_id": "dist"}}
with StatehouseSaver.from_conn_string("memory:") as saver, StatehouseStore.from_conn_string("memory:") as store:
    compiled = graph.compile(checkpointer=saver, store=store)
    compiled.invoke({"messages": [("human", "6 x 7?")]}, thread)
    assert [message.content for message in compiled.get_state(thread).values["messages"]] == ["6 x 7?", "42"]
print(f"statehouse-langgraph {statehouse_langgraph.__version__} works from its wheel")
'
build/dist-venv-langgraph/bin/statehouse-langgraph --help >/dev/null
