"""libmamba asked in plain JSON: one self-contained script, for this interpreter or for any other that has libmambapy.

libmambapy is published for conda only, so more often than not it lives in another interpreter than the planner. That
interpreter runs this file as `-I -S -B libmamba_worker.py`: nothing of the planner is importable there, so nothing of
it is imported here, and the file must run on every python that libmambapy 2.x has. Each line on stdin is a request,
each line on stdout its answer; the process ends with its input. In-process, `answer` is called directly.

What a request means is decided elsewhere: this file puts records and jobs into libmamba's own terms, and its answer
into JSON. A fault is an answer too: `{"fault": {"kind": ..., "message": ...}}`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

KINDS = ("Install", "Update", "UpdateAll", "Remove", "Keep", "Freeze", "Pin")
_OLDEST = 2
# What a database does not depend on.
_OF_THE_QUESTION = ("op", "jobs", "allow_downgrade", "allow_uninstall", "force_reinstall", "explain")


class Fault(Exception):  # noqa: N818 -- named as the answer that it becomes
    """What makes an answer impossible, by kind: no-libmambapy, wrong-version, bad-spec, bad-repodata, bad-request."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def answer(request: Any) -> dict[str, Any]:
    """Answer one request: `{"op": "hello"}` or `{"op": "solve", ...}`. Faults are part of the answer, never raised."""
    try:
        return _answered(request)
    except Fault as fault:
        return {"fault": {"kind": fault.kind, "message": str(fault)}}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return {"fault": {"kind": "bad-request", "message": f"{type(error).__name__}: {error}"}}


def _answered(request: Any) -> dict[str, Any]:
    if not isinstance(request, dict):
        raise Fault("bad-request", "a request is a JSON object")
    libmamba = _libmamba()
    if request.get("op") == "hello":
        return {"version": libmamba.__version__, "python": sys.version.split()[0]}
    if request.get("op") == "solve":
        return _solve(libmamba, request)
    raise Fault("bad-request", "no such operation: {!r}".format(request.get("op")))


def _libmamba() -> Any:
    try:
        import libmambapy
        from libmambapy import solver, specs  # noqa: F401 -- 1.x has neither; importing them is the test
    except ImportError as error:
        found = sys.modules.get("libmambapy")
        if found is not None:
            raise Fault("wrong-version", _version_of(found)) from None
        raise Fault("no-libmambapy", str(error)) from None
    if int(_version_of(libmambapy).split(".")[0]) < _OLDEST:
        raise Fault("wrong-version", _version_of(libmambapy))
    return libmambapy


def _version_of(module: Any) -> str:
    return str(getattr(module, "__version__", "1"))


# --------------------------------------------------------------------------------------------------------------------
# The question


def _solve(libmamba: Any, request: dict[str, Any]) -> dict[str, Any]:
    from libmambapy.solver import Request, libsolv

    database = _database_for(libmamba, request)
    flags = Request.Flags(
        keep_dependencies=True,
        keep_user_specs=True,
        force_reinstall=request["force_reinstall"],
        allow_downgrade=request["allow_downgrade"],
        allow_uninstall=request["allow_uninstall"],
        strict_repo_priority=request["channel_priority"] == "strict",
        order_request=True,
    )
    jobs = [_job(libmamba, kind, spec) for kind, spec in request["jobs"]]
    try:
        outcome = libsolv.Solver().solve(database, Request(jobs, flags))
    except Exception as error:  # noqa: BLE001 -- libmamba raises its own native classes
        raise Fault("bad-request", str(error)) from None
    if hasattr(outcome, "actions"):
        return {"actions": [_action(action) for action in outcome.actions]}
    if not request["explain"]:
        return {"unsolvable": {"problems": [], "explanation": "", "graph": {"nodes": []}}}
    return {"unsolvable": _unsolvable(libmamba, database, outcome)}


# The last databases, each with what it was made from: a question is put on part of the channels, and put again on more of
# them. Loading costs more than most solves do.
_LAST: list[tuple[dict[str, Any], Any]] = []
_KEPT = 2


def _database_for(libmamba: Any, request: dict[str, Any]) -> Any:
    """A database for a request: an earlier one where nothing but the jobs differs. A pin is written into its database."""
    made_from = {key: value for key, value in request.items() if key not in _OF_THE_QUESTION}
    made_from["files"] = [
        os.stat(item["path"]).st_mtime_ns for item in request["repodata"] if os.path.exists(item["path"])
    ]
    found = next((item for item in _LAST if item[0] == made_from), None)
    if found is not None:
        _LAST.remove(found)
    else:
        del _LAST[: 1 - _KEPT]  # before the next one is made: a whole channel takes a gigabyte
        found = (made_from, _database(libmamba, request))
    if not any(kind == "Pin" for kind, _ in request["jobs"]):
        _LAST.append(found)
    return found[1]


def _database(libmamba: Any, request: dict[str, Any]) -> Any:
    from libmambapy.solver import libsolv

    database = libsolv.Database(_channel_params(libmamba, request))
    falling = request["channel_priority"] != "disabled"
    pip = libsolv.PipAsPythonDependency.Yes if request["add_pip"] else libsolv.PipAsPythonDependency.No
    lowest = 1 + max((item["rank"] for item in request["repodata"]), default=0)
    for position, item in enumerate(request["repodata"]):
        try:
            repo = database.add_repo_from_repodata_json(
                path=item["path"],
                url=item["url"],
                channel_id=item["channel"],
                add_pip_as_python_dependency=pip,
                package_types=libsolv.PackageTypes.CondaOrElseTarBz2,
            )
        except Exception as error:  # noqa: BLE001 -- as in _solve
            raise Fault("bad-repodata", "{}: {}".format(item["path"], error)) from None
        database.set_repo_priority(repo, _priorities(libsolv, item["rank"], position, lowest, falling=falling))
    installed = [_package(libmamba, record) for record in request["installed"]]
    installed += [_virtual(libmamba, package) for package in request["virtual_packages"]]
    repo = database.add_repo_from_packages(installed, "installed", libsolv.PipAsPythonDependency.No)
    database.set_installed_repo(repo)
    return database


def _priorities(libsolv: Any, rank: int, position: int, lowest: int, *, falling: bool) -> Any:
    """Higher wins. With priorities disabled the order still decides between equals, as conda has it."""
    if falling:
        return libsolv.Priorities(priority=lowest - rank + 1, subpriority=1)
    return libsolv.Priorities(priority=0, subpriority=-position)


def _channel_params(libmamba: Any, request: dict[str, Any]) -> Any:
    """What the channel names in specs stand for; libmamba would otherwise know only its own."""
    specs = libmamba.specs
    platforms = {request["subdir"], "noarch"}

    def channel(name: str, url: str) -> Any:
        return specs.Channel(url=specs.CondaURL.parse(url), display_name=name, platforms=platforms)

    one, many = {}, {}
    for name, urls in request["channel_names"]:
        if len(urls) == 1:
            one[name] = channel(name, urls[0])
        else:
            many[name] = [channel(url, url) for url in urls]
    return specs.ChannelResolveParams(
        platforms=platforms,
        channel_alias=specs.CondaURL.parse(request["channel_alias"]),
        custom_channels=specs.ChannelResolveParams.ChannelMap(one),
        custom_multichannels=specs.ChannelResolveParams.MultiChannelMap(many),
        home_dir="/",
        current_working_dir="/",
    )


def _package(libmamba: Any, record: dict[str, Any]) -> Any:
    specs = libmamba.specs
    noarch = {"python": specs.NoArchType.Python, "generic": specs.NoArchType.Generic}
    fields = {
        "name": record["name"],
        "version": record["version"],
        "build_string": record["build"],
        "build_number": record["build_number"],
        "channel": record["channel"],
        "package_url": record["url"],
        "platform": record["subdir"],
        "filename": record["fn"],
        "license": record["license"] or "",
        "md5": record["md5"] or "",
        "sha256": record["sha256"] or "",
        "track_features": record["track_features"],
        "depends": record["depends"],
        "constrains": record["constrains"],
        "noarch": noarch.get(record["noarch"], specs.NoArchType.No),
        "size": record["size"] or 0,
        "timestamp": record["timestamp"] or 0,
    }
    if record["python_site_packages_path"] and hasattr(specs.PackageInfo, "python_site_packages_path"):
        fields["python_site_packages_path"] = record["python_site_packages_path"]
    return specs.PackageInfo(**fields)


def _virtual(libmamba: Any, package: dict[str, Any]) -> Any:
    return libmamba.specs.PackageInfo(
        name=package["name"],
        version=package["version"],
        build_string=package["build"],
        channel="@",
        platform=package["subdir"],
        filename=package["name"],
    )


def _job(libmamba: Any, kind: str, spec: str) -> Any:
    from libmambapy.solver import Request

    if kind not in KINDS:
        raise Fault("bad-request", f"no such job: {kind!r}")
    if kind == "UpdateAll":
        return Request.UpdateAll()
    try:
        parsed = libmamba.specs.MatchSpec.parse(spec)
    except Exception as error:  # noqa: BLE001 -- as in _solve
        raise Fault("bad-spec", json.dumps([spec, str(error)])) from None
    return getattr(Request, kind)(parsed)


# --------------------------------------------------------------------------------------------------------------------
# The answer


def _action(action: Any) -> dict[str, Any]:
    """One action as `{"remove": NAME or None, "install": {...} or None}`; a relink is both, of one package."""
    kind = type(action).__name__
    if kind == "Reinstall":
        return {"kind": kind, "remove": action.what.name, "install": _identity(action.what)}
    if kind == "Omit":
        return {"kind": kind, "remove": None, "install": None}
    removed, added = getattr(action, "remove", None), getattr(action, "install", None)
    return {
        "kind": kind,
        "remove": removed.name if removed is not None else None,
        "install": _identity(added) if added is not None else None,
    }


def _identity(package: Any) -> dict[str, str]:
    return {"name": package.name, "channel": package.channel, "subdir": package.platform, "fn": package.filename}


def _unsolvable(libmamba: Any, database: Any, outcome: Any) -> dict[str, Any]:
    problems = [str(problem) for problem in outcome.problems(database)]
    try:
        tree = outcome.explain_problems(database, _plain(libmamba))
    except Exception:  # noqa: BLE001 -- explaining fails for excluded packages; the bare problems still say it
        tree = ""
    try:
        graph = _graph(libmamba, outcome.problems_graph(database))
    except Exception:  # noqa: BLE001 -- as above
        graph = {"nodes": [], "edges": [], "conflicts": []}
    return {"problems": problems, "explanation": tree, "graph": graph}


def _plain(libmamba: Any) -> Any:
    """No colours: the text goes into reports."""
    form = libmamba.solver.ProblemsMessageFormat()
    palette = libmamba.Palette.no_color()
    form.unavailable, form.available = palette.failure, palette.success
    return form


def _graph(libmamba: Any, problems: Any) -> dict[str, Any]:
    """The problems as nodes, edges `[from, to, spec]` and pairs in conflict, nodes that say the same taken together."""
    solver = libmamba.solver
    simple = solver.ProblemsGraph.simplify_conflicts(problems)
    compressed = solver.CompressedProblemsGraph.from_problems_graph(simple)
    nodes, edges = compressed.graph()
    conflicts = compressed.conflicts()
    pairs = {tuple(sorted((key, other))) for key, others in conflicts for other in others}
    return {
        "root": compressed.root_node(),
        "nodes": [[key, _node(node)] for key, node in sorted(nodes.items())],
        "edges": sorted([start, end, _label(label)] for (start, end), label in edges.items()),
        "conflicts": sorted(list(pair) for pair in pairs),
    }


def _node(node: Any) -> dict[str, str]:
    kind = type(node).__name__
    if kind == "RootNode":
        return {"kind": "root", "name": "", "text": ""}
    short = {
        "PackageListNode": "package",
        "UnresolvedDependencyListNode": "missing",
        "ConstraintListNode": "constraint",
    }
    name = node.name()
    if kind == "PackageListNode":
        versions, _number = node.versions_trunc()
        text = f"{name} {versions}"
    else:
        text = "|".join(dict.fromkeys(str(item) for item in node))
    return {"kind": short.get(kind, kind), "name": name, "text": text}


def _label(label: Any) -> str:
    """Specs as recipes and repodata write them, `python >=3.9,<3.10.0a0`."""
    return "|".join(dict.fromkeys(_plain_spec(spec) for spec in label))


def _plain_spec(spec: Any) -> str:
    try:
        return str(spec.conda_build_form())
    except AttributeError:
        return str(spec)


# --------------------------------------------------------------------------------------------------------------------
# As a process of its own


def main() -> None:
    """Answer each line on stdin with a line on what was stdout; libmamba's own prints go to stderr."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _add_site_packages()
    for line in sys.stdin.buffer:
        try:
            request = json.loads(line.decode("utf-8"))
        except ValueError as error:
            reply = {"fault": {"kind": "bad-request", "message": f"not JSON: {error}"}}
        else:
            reply = answer(request)
        out.write(json.dumps(reply) + "\n")
        out.flush()


def _add_site_packages() -> None:
    """-I -S leaves site-packages out, with its .pth files and sitecustomize; the folder itself is what is needed."""
    import sysconfig

    base = os.path.dirname(os.path.dirname(os.path.abspath(sys.executable)))
    home = {"base": base, "platbase": base, "installed_base": base, "installed_platbase": base}
    for key in ("platlib", "purelib"):
        # sys.prefix is wrong for a virtual environment without the site module, so the executable's place is used too.
        for folder in (sysconfig.get_path(key, vars=home), sysconfig.get_path(key)):
            if folder and folder not in sys.path and os.path.isdir(folder):
                sys.path.append(folder)


if __name__ == "__main__":
    main()
