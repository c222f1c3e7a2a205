#!/bin/sh
# Builds sdist and wheel, and shows that they are what a stranger needs: the wheel is built from the sdist, its
# metadata is checked, it holds statehouse/ and nothing else, and it works in an environment of its own.
set -eu

python=.venv-dist/bin/python
clean=build/dist-venv

rm -rf dist "$clean"
$python -m build --no-isolation --outdir dist .
$python -m twine check --strict dist/*

$python - dist/*.whl <<'PY'
import sys
from zipfile import ZipFile

names = ZipFile(sys.argv[1]).namelist()
strays = [name for name in names if not name.startswith("statehouse/") and ".dist-info/" not in name]
missing = {"statehouse/py.typed", "statehouse/_build.py"} - set(names)
if strays or missing:
    sys.exit(f"the wheel holds {strays} and lacks {sorted(missing)}")
print(f"the wheel holds {len(names)} files, all of statehouse")
PY

PYTHON=$python tools/venv.sh "$clean" requirements/runtime.lock
"$clean/bin/python" -m pip --disable-pip-version-check install -qq --no-deps dist/*.whl

# From elsewhere, so that the source tree is not what gets imported.
clean=$(cd "$clean" && pwd)
cd "$clean"
bin/python -I - <<'PY'
import pathlib

import statehouse
from statehouse._build import REVISION

assert "dist-venv" in str(pathlib.Path(statehouse.__file__)), statehouse.__file__
with statehouse.Statehouse("memory:") as sh:
    with sh.agent("dist").transaction() as tx:
        tx.write("answer", 42)
    assert sh.agent("dist").get_state("answer").value == 42
print(f"statehouse {statehouse.__version__} ({REVISION}) works from its wheel")
PY
bin/statehousectl --help >/dev/null
bin/python -m pip --disable-pip-version-check check
