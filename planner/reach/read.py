"""Everything around the environments of an installation, in one reading."""

from __future__ import annotations

import os
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from planner import load
from planner.reach import shared_files
from planner.reach.activation import activations
from planner.reach.disk import disk
from planner.reach.kernels import kernels
from planner.reach.notes import Notes, Places, Prefixes
from planner.reach.own import own_scripts
from planner.reach.path_files import editables, path_files, site_folders
from planner.reach.processes import processes
from planner.reach.scripts import programs
from planner.reach.services import jobs, services, wrappers
from planner.reach.settings import settings
from planner.reach.user_site import switched_off, user_site_folders, user_sites
from planner.reach.virtualenvs import virtualenvs
from planner.reference import Reference, Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from planner.config import Config
    from planner.model.installed import Environment, PackageRecord, RecordFiles

_CACHE_LINK_FOLDERS = ("bin", "lib")


def read_surroundings(
    environments: Sequence[Environment],
    target: Environment,
    places: Places,
    config: Config,
    progress: Callable[[str], None],
    files: Callable[[PackageRecord], RecordFiles] | None = None,
) -> Surroundings:
    """All that refers to one of the environments, and what lies around the target. Bad files are problems, never errors.

    `config` tells where environments and packages are kept, and whether activation stacks; `files` gives the path list
    of a record of the target.
    """
    progress("looking for what refers to the environments from outside")
    pairs = [(environment.name, environment.prefix) for environment in environments]
    prefixes, notes = Prefixes(pairs, places.home), Notes()
    sites = user_sites(places, notes)
    folders = [*site_folders(environments), *((folder, None) for folder in user_site_folders(places, notes))]
    read_references(pairs, folders, prefixes, places, notes)
    editables(environments, prefixes, notes)
    files = files or lru_cache(maxsize=None)(partial(load.record_files, target.prefix))
    own_scripts(target, files, prefixes, notes)
    notes.references += _auto_stack(config, pairs, notes)
    return Surroundings(
        references=tuple(sorted(dict.fromkeys(notes.references), key=_order)),
        settings=tuple(dict.fromkeys(notes.settings)),
        user_sites=sites,
        processes=processes(prefixes),
        problems=tuple(notes.problems),
        looked_at=_looked_at(notes),
        cache_links=cache_links(pairs, config.pkgs_dirs),
        user_site_off=switched_off(
            [
                ("PYTHONNOUSERSITE in the environment of this process", places.environ.get("PYTHONNOUSERSITE", "")),
                (
                    f"PYTHONNOUSERSITE in {target.prefix}/conda-meta/state",
                    dict(target.env_vars).get("PYTHONNOUSERSITE", ""),
                ),
            ]
        ),
        disk=disk(target.prefix, config.pkgs_dirs, config.envs_dirs),
        shared=shared_files.finder(target, environments, files),
    )


def read_references(
    pairs: Sequence[tuple[str, str]],
    sites: Sequence[tuple[str, str | None]],
    prefixes: Prefixes,
    places: Places,
    notes: Notes,
) -> None:
    """All references and settings, of the environments by name and prefix, with their site-packages folders."""
    programs(pairs, prefixes, places, notes)
    settings(pairs, prefixes, places, notes)
    activations(pairs, prefixes, places, notes)
    kernels(pairs, prefixes, places, notes)
    services(prefixes, places, notes)
    wrappers(prefixes, places, notes)
    virtualenvs(prefixes, places, notes)
    path_files([*sites, *_of_virtualenvs(notes)], prefixes, notes)
    jobs(prefixes, places, notes)


def _order(reference: Reference) -> tuple[str, ...]:
    return (reference.prefix, reference.kind, reference.source, f"{reference.line:09}", reference.path)


def _of_virtualenvs(notes: Notes) -> list[tuple[str, str | None]]:
    """The site-packages of the virtual environments that were found."""
    return [
        (os.path.join(item.source, "lib", f"python{item.python}", "site-packages"), item.holder)
        for item in notes.references
        if item.kind == "virtualenv" and item.python is not None
    ]


def _auto_stack(config: Config, pairs: Sequence[tuple[str, str]], notes: Notes) -> list[Reference]:
    base = next((prefix for name, prefix in pairs if name == "base"), None)
    if not config.auto_stack or base is None:
        return []
    said = (
        path
        for path in reversed(config.files)
        if "auto_stack" in (notes.text(path, "what it says of activation") or "")
    )
    source = next(said, "the CONDA_* environment variables")
    return [Reference("stack", source, base, "", f"auto_stack: {config.auto_stack}")]


def _looked_at(notes: Notes) -> tuple[tuple[str, str], ...]:
    counts: dict[str, list[str]] = {}
    for (prefix, what), number in sorted(notes.looked.items()):
        counts.setdefault(prefix, []).append(f"{what}: {number}")
    return tuple((prefix, ", ".join(texts)) for prefix, texts in counts.items())


def cache_links(pairs: Sequence[tuple[str, str]], pkgs_dirs: Sequence[str]) -> tuple[tuple[str, int, str], ...]:
    """Environments whose files are links into a package cache: prefix, how many at its top, and one of them."""
    caches = tuple(os.path.realpath(folder) + os.sep for folder in pkgs_dirs)
    found = []
    for _, prefix in pairs:
        links = []
        for folder in _CACHE_LINK_FOLDERS:
            try:
                with os.scandir(os.path.join(prefix, folder)) as entries:
                    links += [e.path for e in entries if e.is_symlink() and os.path.realpath(e.path).startswith(caches)]
            except OSError:
                continue
        if caches and links:
            found.append((prefix, len(links), min(links)))
    return tuple(found)
