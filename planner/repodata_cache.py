"""Copies of repodata that lie on this machine: conda's and mamba's caches, and the planner's own.

conda, mamba and the planner each keep what they fetched under a digest of the URL. mamba's digest is of a text that
changed with its releases, so the state files beside the copies, which name the URL in full, are asked as well. What a
copy is worth is not judged here: `planner.channels` opens it and takes the next one when it is cut.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from planner.credentials import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NAMES = ("repodata.json", "current_repodata.json")
_STATES = (".info.json", ".state.json")
# In the planner's own folder of a subdir URL: the last copy that arrived whole, or that the server has none.
COPY, MISSING = "repodata.json", "missing"


def own_folder(cache_dir: str, url: str) -> Path:
    """Where the planner keeps the repodata of one subdir URL; a login or token in it makes no difference."""
    clean = without_credentials(url).rstrip("/")
    return Path(cache_dir, "repodata", hashlib.sha256(clean.encode()).hexdigest()[:16])


def known_missing(cache_dir: str, url: str) -> bool:
    """Whether the server said, when last asked, that there is no repodata at this subdir URL."""
    return (own_folder(cache_dir, url) / MISSING).exists()


def cached_copies(url: str, pkgs_dirs: Sequence[str], cache_dir: str) -> Iterator[str]:
    """Copies of the repodata of one subdir URL, the best first: whole before `current_repodata.json`, conda's own first.

    `url` ends with the subdir and may hold credentials.
    """
    for name in _NAMES:
        for folder in (Path(pkgs_dir, "cache") for pkgs_dir in pkgs_dirs):
            yield from _conda_copies(folder, url, name)
        if name == "repodata.json":
            copy = own_folder(cache_dir, url) / COPY
            if copy.is_file():
                yield str(copy)


def _conda_copies(folder: Path, url: str, name: str) -> Iterator[str]:
    seen: set[Path] = set()
    for candidate in (url, without_credentials(url)):
        path = folder / _conda_name(candidate, name)
        if path not in seen and path.is_file():
            seen.add(path)
            yield str(path)
    wanted = f"{without_credentials(url).rstrip('/')}/{name}"
    for state in sorted(path for end in _STATES for path in folder.glob(f"*{end}")):
        stem = state.name.removesuffix(_STATES[0]).removesuffix(_STATES[1])
        path = folder / f"{stem}.json"
        if path not in seen and _url_of(state) == wanted and path.is_file():
            seen.add(path)
            yield str(path)


def _conda_name(url: str, name: str) -> str:
    text = url.rstrip("/") + "/" + (name if name != "repodata.json" else "")
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8] + ".json"


def _url_of(state: Path) -> str | None:
    """The URL that a state file speaks of, None where it cannot be read: it is only a hint."""
    try:
        if os.path.getsize(state) > 1 << 20:
            return None
        content = json.loads(state.read_bytes())
    except (OSError, ValueError):
        return None
    url = content.get("url") if isinstance(content, dict) else None
    if not isinstance(url, str):
        return None
    return without_credentials(url).removesuffix(".zst").removesuffix(".bz2")
