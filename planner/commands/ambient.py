"""What a command hands to the core from outside it, and which prefix the name of an environment is."""

from __future__ import annotations

import os
from typing import Any


def read_ambient() -> dict[str, Any]:
    """What the core may not find out for itself: environment, home, cache folder and the time."""
    from datetime import datetime, timezone

    from platformdirs import user_cache_dir

    return {
        "environ": dict(os.environ),
        "home": os.path.expanduser("~"),
        "cache_dir": user_cache_dir("conda-upgrade-planner"),
        "created": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def resolved(root: str | None, env: str, ambient: dict[str, Any]) -> tuple[str, str]:
    """Name and prefix of an environment; a path needs no installation around it."""
    from planner import config, discover

    environ, home = ambient["environ"], ambient["home"]
    if os.sep in env or env.startswith((".", "~")):
        return discover.resolve_environment(root or os.sep, env, (), home)
    found = discover.find_root(root, environ, home)
    settings = config.read_config(found, found, environ, home)
    return discover.resolve_environment(found, env, settings.envs_dirs, home)
