"""Where the conda installation is, which environments it has, and which of them is meant.

An installation is a root prefix and what lies in its `envs`; a prefix is a folder that has a `conda-meta`. Nothing is
run and no configuration is read: `envs_dirs` come from `planner.config`, what is in an environment from `planner.load`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from planner.errors import InputError
from planner.files import is_folder, read_bytes
from planner.model.installed import LoadProblem
from planner.near_names import hint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BASE = "base"
USUAL_PLACES = (
    "~/miniconda3",
    "~/anaconda3",
    "~/miniforge3",
    "~/mambaforge",
    "~/micromamba",
    "~/.local/share/mamba",
    "~/miniconda",
    "~/anaconda",
    "~/conda",
    "~/opt/miniconda3",
    "~/opt/anaconda3",
    "/opt/conda",
    "/opt/miniconda3",
    "/opt/anaconda3",
    "/opt/miniforge3",
    "/opt/mambaforge",
    "/usr/local/miniconda3",
    "/usr/local/anaconda3",
    "/usr/local/miniforge3",
    "/opt/homebrew/Caskroom/miniconda/base",
    "/opt/homebrew/Caskroom/miniforge/base",
    "C:/ProgramData/miniconda3",
    "C:/ProgramData/anaconda3",
    "C:/ProgramData/miniforge3",
)
_MOST_NAMED = 12
_CONDA_RECORD = re.compile(r"^(?:conda|mamba)-\d[^/]*\.json$")


def find_root(explicit: str | None, environ: Mapping[str, str], home: str) -> str:
    """The absolute path of the installation's root prefix: `explicit`, or the first found where conda leaves traces.

    Raises `InputError`, which says where was looked and what to do.
    """
    if explicit is not None:
        path = _absolute(explicit, home)
        if not _is_root(path):
            raise InputError(
                f"--root {explicit}: {_why_no_prefix(path)}; "
                "name the folder of the conda installation itself, such as ~/miniconda3"
            )
        return path
    looked = []
    for place, candidate in _candidates(environ, home):
        looked.append(place)
        if candidate is not None and _is_root(candidate):
            return os.path.abspath(candidate)
    raise InputError(
        f"no conda installation was found (looked at {', '.join(dict.fromkeys(looked))}); "
        "name its folder with --root, for example --root ~/miniconda3"
    )


def resolve_environment(
    root: str, env: str, envs_dirs: Sequence[str] = (), home: str = "", otherwise: str = ""
) -> tuple[str, str]:
    """The name and the prefix of the environment that `env` means.

    `base` is the root prefix; what has a path separator, or starts with `.` or `~`, is a prefix path; any other is a
    name. A link to an environment of the installation is that environment. Raises `InputError` naming those there are;
    `otherwise` is a sentence on what else a name that none of them has could be for.
    """
    known = environment_prefixes(root, envs_dirs, home)
    if not env.strip():
        raise InputError(f"the name of the environment is empty; {_names(known)}")
    if env == BASE:
        if not is_prefix(root):
            raise InputError(f"{root} has no base environment: {_why_no_prefix(root)}; {_names(known)}")
        return BASE, root
    if _is_path(env):
        path = _absolute(env, home)
        if not is_prefix(path):
            raise InputError(f"{env} is no conda environment: {_why_no_prefix(path)}")
        return _as_known(known, os.path.basename(path), path)
    folders = [os.path.join(root, "envs"), *(_absolute(folder, home) for folder in envs_dirs)]
    for folder in folders:
        path = os.path.join(folder, env)
        if is_prefix(path):
            return _as_known(known, env, path)
    own = next((prefix for name, prefix in known if name == env), None)
    if own is not None:
        return env, own
    if is_folder(os.path.join(folders[0], env)):
        raise InputError(f"{env!r} is no conda environment: {_why_no_prefix(os.path.join(folders[0], env))}")
    near = hint(env, (name for name, _ in known))
    there = f"{near} T" if near else "; t"
    raise InputError(f"there is no environment {env!r} in {root}{there}{_names(known)[1:]}{otherwise}")


def environment_prefixes(root: str, envs_dirs: Sequence[str] = (), home: str = "") -> tuple[tuple[str, str], ...]:
    """Name and prefix of every environment of the installation: base first, then by name, each once.

    They are the root itself, what lies in its `envs` and in `envs_dirs`, and what conda has noted down in
    `~/.conda/environments.txt` if it lies below the root. A prefix that this user may not look into is among them.
    Names are unique: where two would be the same, the later one goes by its path.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    base = ((BASE, root),) if is_prefix(root) else ()
    if base:
        seen.add(os.path.realpath(root))
    for prefix in _prefixes(root, envs_dirs, home):
        real = os.path.realpath(prefix)
        if real not in seen:
            seen.add(real)
            name = os.path.basename(prefix)
            found[prefix if name in found or name == BASE else name] = prefix
    return (*base, *sorted(found.items()))


def machine_prefixes(
    root: str, envs_dirs: Sequence[str], environ: Mapping[str, str], home: str
) -> tuple[tuple[str, str, str], ...]:
    """Name, prefix and root of every environment of the machine: those of `root` first, then other installations'.

    Others are found where `find_root` looks; an environment that lies in no installation is its own root. Outside `root`
    the name is the path, since two installations may use one name.
    """
    found = [(name, prefix, root) for name, prefix in environment_prefixes(root, envs_dirs, home)]
    seen = {os.path.realpath(prefix) for _, prefix, _ in found}
    roots = [candidate for _, candidate in _candidates(environ, home) if candidate is not None]
    for other in dict.fromkeys(os.path.abspath(path) for path in roots):
        if os.path.realpath(other) != os.path.realpath(root) and _is_root(other):
            for _, prefix in environment_prefixes(other):
                real = os.path.realpath(prefix)
                if real not in seen:
                    seen.add(real)
                    found.append((prefix, prefix, other))
    for prefix in _noted_prefixes(home):
        real = os.path.realpath(prefix)
        if real not in seen and is_prefix(prefix):
            seen.add(real)
            found.append((prefix, prefix, prefix))
    return tuple(found)


def is_prefix(path: str) -> bool:
    """Whether a folder is an environment: it has a `conda-meta`, or may have one that this user may not see."""
    return is_folder(os.path.join(path, "conda-meta")) is not False


def _prefixes(root: str, envs_dirs: Sequence[str], home: str) -> Iterator[str]:
    for folder in (os.path.join(root, "envs"), *(_absolute(place, home) for place in envs_dirs)):
        yield from filter(is_prefix, _subfolders(folder))
    below = os.path.realpath(root) + os.sep
    for path in _noted_prefixes(home):
        if os.path.realpath(path).startswith(below) and is_prefix(path):
            yield path


def _subfolders(folder: str) -> list[str]:
    """The paths in a folder, by name, real ones before links to them; none where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name))]
    except OSError:
        return []


def stale_notes(home: str) -> tuple[LoadProblem, ...]:
    """The lines of `~/.conda/environments.txt` that name no environment any more: conda leaves them when one is deleted."""
    return tuple(
        LoadProblem(f"{_notes_file(home)}:{number}", f"{path} is no environment", "the line is left out")
        for number, path in _noted(home)
        if not is_prefix(path)
    )


def _noted_prefixes(home: str) -> list[str]:
    return [path for _, path in _noted(home)]


def _notes_file(home: str) -> str:
    return os.path.join(home, ".conda", "environments.txt")


def _noted(home: str) -> list[tuple[int, str]]:
    """The absolute paths in conda's list of environments, each with its line."""
    if not home:
        return []
    try:
        text = read_bytes(_notes_file(home)).decode("utf-8", "replace")
    except OSError:
        return []
    lines = ((number, line.strip().rstrip("/\\")) for number, line in enumerate(text.splitlines(), start=1))
    return [(number, line) for number, line in lines if os.path.isabs(line) and "\0" not in line]


def _candidates(environ: Mapping[str, str], home: str) -> Iterator[tuple[str, str | None]]:
    """Places to look at, strongest first: what to call them, and the root they lead to."""
    conda = environ.get("CONDA_EXE")
    yield "CONDA_EXE", _up(conda, 2) if conda else None
    yield "CONDA_EXE", _up(os.path.realpath(conda), 2) if conda else None
    active = environ.get("CONDA_PREFIX") or None
    yield "CONDA_PREFIX", _root_of(active) if active else None
    yield "MAMBA_ROOT_PREFIX", environ.get("MAMBA_ROOT_PREFIX") or None
    for prefix in _noted_prefixes(home):
        yield "~/.conda/environments.txt", _root_of(prefix)
    yield "~/.conda/environments.txt", None
    for place in USUAL_PLACES:
        if os.path.isabs(place) or (home and place.startswith("~")):
            yield place, _absolute(place, home)
    # An active environment that lies outside any installation is better than nothing.
    yield "CONDA_PREFIX", active


def _root_of(prefix: str) -> str | None:
    """The root prefix that a prefix belongs to: itself, or the one whose `envs` it lies in; None when nobody can tell."""
    prefix = os.path.normpath(prefix)
    if os.path.basename(os.path.dirname(prefix)) == "envs":
        return _up(prefix, 2)
    return prefix if _looks_like_root(prefix) else None


def _looks_like_root(prefix: str) -> bool:
    if any(is_folder(os.path.join(prefix, name)) for name in ("condabin", "envs", "pkgs")):
        return True
    try:
        return any(_CONDA_RECORD.match(name) for name in os.listdir(os.path.join(prefix, "conda-meta")))
    except OSError:
        return False


def _is_root(path: str) -> bool:
    """A prefix, or a folder whose `envs` holds one: a micromamba root may have no environment of its own."""
    return is_prefix(path) or any(is_prefix(inner) for inner in _subfolders(os.path.join(path, "envs")))


def _up(path: str, levels: int) -> str:
    for _ in range(levels):
        path = os.path.dirname(path)
    return path


def _is_path(env: str) -> bool:
    return "/" in env or "\\" in env or env.startswith((".", "~"))


def _absolute(path: str, home: str) -> str:
    if home and (path == "~" or path.startswith(("~/", "~\\"))):
        path = os.path.join(home, path[2:])
    # `~user` needs the account database; a null character can be no path and must not end in a traceback.
    return os.path.abspath(os.path.expanduser(path.replace("\0", "\N{REPLACEMENT CHARACTER}")))


def _as_known(known: Sequence[tuple[str, str]], name: str, path: str) -> tuple[str, str]:
    real = os.path.realpath(path)
    for known_name, prefix in known:
        if os.path.realpath(prefix) == real:
            return known_name, prefix
    return (path if name in dict(known) else name), path


def _why_no_prefix(path: str) -> str:
    folder = is_folder(path)
    if folder is None:
        return f"{path} may not be looked into by this user"
    if folder:
        return f"{path} has no conda-meta folder"
    return f"{path} is not a folder" if os.path.lexists(path) else f"there is no folder {path}"


def _names(known: Sequence[tuple[str, str]]) -> str:
    """The environments that exist."""
    names = [name for name, _ in known]
    if not names:
        return "there are none in it"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"there are: {', '.join(names[:_MOST_NAMED])}{more}"
