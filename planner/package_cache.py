"""Whether a package could be taken from conda's package cache: its archive lies there, or is unpacked there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from planner.conda_meta import stem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model.installed import PackageRecord


def is_cached(pkgs_dirs: Sequence[str], record: PackageRecord) -> bool:
    """Whether one of the caches has this build; nothing of it is read, so that it may still be another file's name."""
    archive = record.fn or f"{record.dist_name}.conda"
    if os.path.basename(archive) != archive:
        return False
    return any(
        os.path.isfile(os.path.join(folder, archive))
        or os.path.isfile(os.path.join(folder, stem(archive), "info", "index.json"))
        for folder in pkgs_dirs
    )
