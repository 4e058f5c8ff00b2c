"""What somebody put into the environment itself, and that nobody keeps count of: scripts in `bin` that its python runs.

Scripts that a package of conda's or a distribution of pip's brings go and come with these, and the rules on packages say
what becomes of them. Of the rest nobody knows when what they need goes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from planner.abi.installed import pip_paths
from planner.reach.scripts import head, interpreter_of, script
from planner.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.model.installed import Environment, PackageRecord, RecordFiles
    from planner.reach.notes import Notes, Prefixes

_MOST = 1000  # scripts that nobody owns
_NOT_KNOWN = "which scripts of its own it has is not known"


def own_scripts(
    target: Environment, files: Callable[[PackageRecord], RecordFiles], prefixes: Prefixes, notes: Notes
) -> None:
    """Each script in `bin` that the environment's own python runs, and that no package and no distribution brought."""
    entries = notes.entries(os.path.join(target.prefix, "bin"), _NOT_KNOWN)
    left = {f"bin/{entry.name}": entry for entry in entries if not entry.is_symlink()}
    for record in target.records if left else ():
        for path in left.keys() & files(record).paths:
            del left[path]
    for dist in target.pip_dists if left else ():
        for path in left.keys() & pip_paths(target.prefix, dist):
            del left[path]
    found = 0
    for entry in left.values():
        first = head(entry.path)
        interpreter = interpreter_of(first)
        located = prefixes.locate(interpreter) if interpreter else None
        if located is None or located[0] != target.prefix:
            continue
        found += 1
        if found > _MOST:
            what = f"it holds more than {_MOST} scripts that no package brought"
            notes.problem(os.path.dirname(entry.path), what, "the rest of them was not looked at")
            return
        program = script(entry.path, located[1], first)
        notes.references.append(
            Reference(
                "shebang",
                entry.path,
                *located,
                f"#!{interpreter}",
                line=1,
                holder=target.prefix,
                interpreter=program.interpreter,
                modules=program.modules,
                started=program.started,
                within=program.within,
                bound=program.bound,
                script=program.script,
                broken=not os.path.exists(os.path.join(target.prefix, located[1])),
            )
        )
