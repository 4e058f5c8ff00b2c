"""An environment that a file describes and nobody has made yet, as the target of a question.

It has nothing installed and no history; its prefix is where the tool would put it. An installation need not be there
either: then the place where micromamba would begin one stands in for its root.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from planner import config, discover, load
from planner.config_files import expand_home
from planner.credentials import masked
from planner.errors import InputError
from planner.host import native_subdir
from planner.model.installed import Environment, LoadProblem
from planner.specs import written
from planner.versions import spec_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planner.environment_file import EnvironmentFile
    from planner.question import Question

_UNNAMED = "new"


def asked_by_file(question: Question, file: EnvironmentFile) -> Question:
    """The question with what the file asks for. Raises `InputError` for options that go with no new environment."""
    if question.specs:
        raise InputError("--from takes what is asked for from the file: leave out the SPECs, or write them into it")
    if question.operation != "install":
        raise InputError(
            f"--from is about a new environment, which nothing can be done to but install: not {question.operation}"
        )
    return replace(
        question,
        specs=tuple(written(item.spec) for item in file.explicit) or _with_pip(file),
        channels=(*question.channels, *file.channels),
        override_channels=question.override_channels or file.only_its_channels,
        subdir=question.subdir or file.subdir,
    )


def not_yet_made(
    question: Question, file: EnvironmentFile, progress: Callable[[str], None]
) -> tuple[str, tuple[tuple[str, str], ...], Environment, config.Config]:
    """The root, the environments below it, the one to be made, and the configuration. Raises `InputError` if it is there.

    Environments are given by name and prefix; there are none where nobody has made the installation either.
    """
    root = _root(question, progress)
    there = os.path.isdir(os.path.join(root, "conda-meta"))
    settings = config.read_config(root, root, question.environ, question.home, question.tool)
    prefixes = tuple(discover.environment_prefixes(root, settings.envs_dirs, question.home)) if there else ()
    name, prefix = _place(question, file, root)
    if os.path.isdir(os.path.join(prefix, "conda-meta")):
        raise InputError(
            f"--from {file.path}: the environment {name} is there already ({prefix}); give it another --name"
        )
    settings = config.read_config(root, prefix, question.environ, question.home, question.tool)
    target = Environment(
        name,
        prefix,
        question.subdir or native_subdir(),
        problems=(*settings.problems, *_left_to_pip(file)),
        fingerprint=load.fingerprint((), ()),
    )
    return root, prefixes, target, settings


def _root(question: Question, progress: Callable[[str], None]) -> str:
    try:
        return discover.find_root(question.root, question.environ, question.home)
    except InputError:
        if question.root is not None:
            raise
        progress("no conda installation was found: the new environment is judged by itself")
        return os.path.abspath(question.environ.get("MAMBA_ROOT_PREFIX") or os.path.join(question.home, "micromamba"))


def _place(question: Question, file: EnvironmentFile, root: str) -> tuple[str, str]:
    wanted = question.name or question.env or file.name or _UNNAMED
    if os.sep in wanted or wanted.startswith((".", "~")):
        prefix = os.path.abspath(expand_home(wanted, question.home))
        return os.path.basename(prefix), prefix
    if wanted in {"base", "root"}:
        raise InputError(f"--from {file.path}: base is no new environment; give it another --name")
    return wanted, os.path.join(root, "envs", wanted)


def _with_pip(file: EnvironmentFile) -> tuple[str, ...]:
    """The file's specs, and pip where it has a part for pip but does not name it: conda and mamba add it too."""
    named = any(spec_name(spec) == "pip" for spec in file.specs)
    return file.specs if named or not file.pip else (*file.specs, "pip")


def _left_to_pip(file: EnvironmentFile) -> Iterator[LoadProblem]:
    if file.pip:
        what = f"its part for pip ({masked('; '.join(file.pip))}) is not solved here"
        yield LoadProblem(file.path, what, "what pip would install into the new environment is not known")
