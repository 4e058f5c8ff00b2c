"""mamba and conda asked the same question, the channel served on loopback: mamba keeps no cache of a `file://` channel."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tests.bench.measure import Command

if TYPE_CHECKING:
    from pathlib import Path

SPEC = "python=3.11"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: the table is what is printed."""


def serve(folder: Path) -> tuple[str, ThreadingHTTPServer]:
    """The URL of a folder, served until the server is shut down."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}", server


def _environment(work: Path, pkgs: str) -> dict[str, str]:
    shutil.rmtree(work / pkgs, ignore_errors=True)
    (work / "home").mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(work / "home"),
        "CONDA_PKGS_DIRS": str(work / pkgs),
        "CONDA_OVERRIDE_CUDA": "12.6",
        "CONDA_OVERRIDE_GLIBC": "2.36",
    }


def _version(program: str) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]


class Conda:
    """`conda install --dry-run` on an installation's base, by a conda from elsewhere, with its own package cache."""

    def __init__(self, program: str, url: str, root: Path, work: Path) -> None:
        self._env = {**_environment(work, "conda-pkgs"), "CONDARC": os.devnull}
        self._argv = [program, "install", "-p", str(root), "--dry-run", "-y", "--override-channels", "-c", url, SPEC]
        self.version = _version(program)
        filled = subprocess.run(self._argv, env=self._env, capture_output=True, check=False)
        self.answers = (
            filled.returncode == 0
        )  # of a small channel it may find no answer, and says so after a long while
        self._argv.append("--offline")

    def warm(self) -> Command:
        """With its JSON at hand; it keeps nothing else."""
        return Command("conda, warm", self._argv, self._env)


class Mamba:
    """`mamba install --dry-run` on an installation, with a package cache of the benchmark's own."""

    def __init__(self, program: str, url: str, root: Path, work: Path) -> None:
        self._env = _environment(work, "mamba-pkgs")
        self._pkgs = work / "mamba-pkgs"
        self._argv = [program, "install", "-r", str(root), "-p", str(root), "--dry-run", "-y", "--no-rc"]
        self._argv += ["--override-channels", "-c", url, SPEC]
        self.version = _version(program)
        # Fetched once, and the .solv files written: from here on nothing is asked of the server.
        subprocess.run(self._argv, env=self._env, capture_output=True, check=True)
        self._argv.append("--offline")

    def warm(self) -> Command:
        """With its JSON and its `.solv` files at hand."""
        return Command("mamba, warm", self._argv, self._env)

    def cold(self) -> Command:
        """With the JSON fetched and no `.solv` file."""
        return Command("mamba, no .solv", self._argv, self._env, self._forget)

    def answer(self) -> str:
        """The dry run as JSON."""
        done = subprocess.run([*self._argv, "--json"], env=self._env, capture_output=True, text=True, check=True)
        return done.stdout

    def _forget(self) -> None:
        for path in (self._pkgs / "cache").glob("*.solv"):
            path.unlink()
