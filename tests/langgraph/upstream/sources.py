"""LangGraph's tests as its makers published them, in the sdist of the locked version. None of it is kept."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
CACHE: Final = ROOT / "build" / "upstream"
LOCK: Final = ROOT / "requirements" / "upstream.lock"
DOWNLOAD_S: Final = 180


class UnreachableError(Exception):
    """There is no copy of an sdist here, and none could be had."""


@dataclass(frozen=True, slots=True)
class Sdist:
    """A source distribution that the lock names.

    Attributes:
        name: Of the distribution.
        version: The one that is locked.
        hashes: The sha256 digests of all files of that version.
    """

    name: str
    version: str
    hashes: frozenset[str]

    @classmethod
    def locked(cls, name: str) -> Sdist:
        """Finds a distribution in the lock."""
        found = re.search(
            rf"^{re.escape(name)}==(\S+) \\\n((?: +--hash=\S+(?: \\)?\n)+)", LOCK.read_text(), re.MULTILINE
        )
        assert found, f"{LOCK.name} has no {name}"
        return cls(name, found[1], frozenset(re.findall(r"sha256:(\w+)", found[2])))

    def unpacked(self) -> Path:
        """Gives the folder with its sources, downloaded at most once for each version.

        Raises:
            UnreachableError: It is not here, and the index does not answer.
        """
        folder = f"{self.name.replace('-', '_')}-{self.version}"
        archive = CACHE / f"{folder}.tar.gz"
        if not archive.exists():
            self._download()
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        assert digest in self.hashes, f"{archive} is not what {LOCK.name} names"
        with tarfile.open(archive) as tar:
            tar.extractall(CACHE, filter="data")
        return CACHE / folder

    def _download(self) -> None:
        CACHE.mkdir(parents=True, exist_ok=True)
        wanted = CACHE / f"{self.name}.txt"
        options = " ".join(f"--hash=sha256:{each}" for each in sorted(self.hashes))
        wanted.write_text(f"{self.name}=={self.version} {options}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
        command += ["--no-binary=:all:", "--no-build-isolation", "--require-hashes"]
        command += ["--dest", str(CACHE), "--requirement", str(wanted)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_S, check=False)
        if done.returncode != 0:
            raise UnreachableError(f"the sources of {self.name} {self.version} cannot be had: {done.stderr}")
