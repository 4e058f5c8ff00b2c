"""Finding and reading configuration files: conda's and mamba's places in their order, and what each of them says.

What the settings mean is `planner.config`'s, and how those of several files come together `planner.config_merge`'s. A
file that cannot be read is a problem with its name and never stops the rest.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from planner.config_merge import Source, flags_of
from planner.model.installed import LoadProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planner.model.solve import Tool

_FILE_NAMES = (".condarc", "condarc", ".mambarc", "mambarc")
_SUFFIXES = (".yml", ".yaml")
_SYSTEM_FOLDERS = ("C:/ProgramData/conda",) if os.name == "nt" else ("/etc/conda", "/var/lib/conda")


def search_path(root: str, prefix: str, environ: Mapping[str, str], home: str, tool: Tool = "conda") -> Iterator[str]:
    """The places of a tool's configuration files and folders of them, the weakest first.

    `root` and `prefix` are the root prefix and the one operated on; conda's `CONDA_PREFIX` stands for the latter.
    """
    own = [path for name in ("MAMBARC", "CONDARC") for path in environ.get(name, "").split(",") if path.strip()]
    if tool == "mamba" and own:  # then mamba reads nothing else
        yield from (expand_home(path.strip(), home) for path in own)
        return
    mamba = (".mambarc",) if tool == "mamba" else ()
    xdg = [os.path.join(environ["XDG_CONFIG_HOME"], "conda")] if environ.get("XDG_CONFIG_HOME") else []
    personal = [os.path.join(home, ".config", "conda"), os.path.join(home, ".conda")]
    for folder in (*_SYSTEM_FOLDERS, root):
        yield from _in_folder(folder, *mamba)
    for folder in (*xdg, *personal) if tool == "conda" else personal:
        yield from _in_folder(folder)
    yield os.path.join(home, ".condarc")
    if tool == "mamba":
        for folder in xdg:
            yield from _in_folder(folder)
        for folder in (os.path.join(home, ".config", "mamba"), os.path.join(home, ".mamba")):
            yield from (os.path.join(folder, name) for name in (".mambarc", "mambarc", "mambarc.d"))
        yield os.path.join(home, ".mambarc")
    yield from _in_folder(prefix, *mamba)
    if tool == "conda" and environ.get("CONDARC"):
        yield expand_home(environ["CONDARC"], home)


def _in_folder(folder: str, *more: str) -> Iterator[str]:
    for name in (".condarc", "condarc", "condarc.d", *more):
        yield os.path.join(folder, name)


def read_files(
    root: str, prefix: str, environ: Mapping[str, str], home: str, tool: Tool = "conda"
) -> tuple[tuple[Source, ...], tuple[LoadProblem, ...]]:
    """What each configuration file that exists says, the weakest first, and what could not be read."""
    problems: list[LoadProblem] = []
    # A file in two places (the target is the root prefix, CONDARC names ~/.condarc) counts in the first: so do both
    # tools have it.
    paths = dict.fromkeys(
        path
        for place in search_path(root, prefix, environ, home, tool)
        for path in _expand_folder(Path(place), problems)
    )
    sources = (_read_file(path, problems) for path in paths)
    return tuple(source for source in sources if source is not None), tuple(problems)


def _expand_folder(place: Path, problems: list[LoadProblem]) -> list[Path]:
    try:
        if place.is_dir():
            return [path for path in sorted(place.iterdir()) if path.suffix in _SUFFIXES and path.is_file()]
        named = place.name in _FILE_NAMES or place.suffix in _SUFFIXES
        return [place] if named and place.is_file() else []
    except OSError as error:
        problems.append(_problem(place, f"it cannot be read: {error.strerror or error}"))
        return []


def _read_file(path: Path, problems: list[LoadProblem]) -> Source | None:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
        flags = flags_of(text, yaml.compose(text, Loader=yaml.SafeLoader)) if "#" in text else {}
    except OSError as error:
        problems.append(_problem(path, f"it cannot be read: {error.strerror or error}"))
        return None
    except UnicodeDecodeError as error:
        problems.append(_problem(path, f"it is not UTF-8 (byte {error.start})"))
        return None
    except yaml.YAMLError as error:
        problems.append(_problem(path, f"it is not valid YAML{_where(error)}"))
        return None
    except (ValueError, RecursionError) as error:  # an impossible date, a bottomless nesting
        problems.append(_problem(path, f"it is not valid YAML: {error}"))
        return None
    if content is not None and not isinstance(content, dict):
        problems.append(_problem(path, "it is not a list of `name: value` settings"))
        return None
    return Source(str(path), {str(name): value for name, value in (content or {}).items()}, flags)


def _where(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None)
    place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return place + (f": {what}" if what else "")


def _problem(path: Path, what: str) -> LoadProblem:
    return LoadProblem(str(path), what, "its settings were left out, the other configuration files count")


def expand_home(path: str, home: str) -> str:
    """`~` and what follows it under `home`; any other path as it is."""
    if path == "~" or path.startswith(("~/", "~\\")):
        return os.path.join(home, path[2:]) if len(path) > 1 else home
    return path
