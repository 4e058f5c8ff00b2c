"""Scenarios: small TOML files in which a domain expert states an installation, a change, and what must be said of it.

A scenario becomes real files (conda-meta, history, dist-info, repodata.json), which the real loader, solver and rules
read. What is not stated has no effect, and a key that does not exist is an error, so that a typo cannot pass.
`fixtures/scenarios/README.md` says what each key means.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec.structs import replace

from planner.run import Question, what_if
from rules import RULES
from tests import objects

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from planner.model.plan import Edge, PackageChange, Plan

FOLDER = Path(__file__).parents[1] / "fixtures" / "scenarios"
CREATED = "2026-01-01T00:00:00Z"
_HOSTS = {"pkgs/main": "https://repo.anaconda.com", "pkgs/r": "https://repo.anaconda.com"}
_CUT = '{"name": "'


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a scenario: a key it does not know is an error."""


class HostTable(Strict):
    subdir: str = "linux-64"
    cuda: str | None = None
    driver: str | None = None
    glibc: str | None = "2.36"
    compute_capabilities: tuple[str, ...] | None = None


class PackageTable(Strict):
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    noarch: Literal["python", "generic"] | None = None
    channel: str = "conda-forge"
    published_in: tuple[str, ...] | None = None
    recorded_channel: str | None = None
    build_number: int | None = None
    files: tuple[str, ...] = ()
    objects: dict[str, objects.ObjectTable] = {}
    at_hand: bool = True
    sources: tuple[str, ...] = ()
    timestamp: int | None = None
    track_features: str | None = None
    size: int = 100_000


class PipTable(Strict):
    name: str
    version: str
    tags: tuple[str, ...] = ("py3-none-any",)
    files: tuple[str, ...] = ()
    objects: dict[str, objects.ObjectTable] = {}
    sources: tuple[str, ...] = ()
    record: bool = True
    direct_url: str | None = None
    editable: bool = False
    requires_dist: tuple[str, ...] = ()
    requires_python: str | None = None


class EnvironmentTable(Strict):
    installed: tuple[str, ...]
    requested: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    frozen: str | None = None
    unreadable: tuple[str, ...] = ()
    pip: tuple[PipTable, ...] = ()
    objects: dict[str, objects.ObjectTable] = {}


class AroundTable(Strict):
    """What lies around the environments; paths are relative to the scenario's folder, and so is `{here}` in texts."""

    files: dict[str, str] = {}
    links: dict[str, str] = {}
    same_file: dict[str, str] = {}
    environ: dict[str, str] = {}
    scan: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    user_site: dict[str, tuple[PipTable, ...]] = {}


class ChangeTable(Strict):
    environment: str = "base"
    install: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    update_all: bool = False
    tool: Literal["conda", "mamba"] = "conda"
    channels: tuple[str, ...] | None = None
    channel_priority: Literal["strict", "flexible", "disabled"] | None = None
    no_files: bool = False


class FindingTable(Strict):
    rule: str
    subject: str
    severity: Literal["block", "warn", "note"] | None = None
    status: Literal["certain", "unverified"] | None = None
    basis: Literal["change", "request"] | None = None
    predicts: Literal["load", "import", "run", "gone"] | None = None
    environment: str | None = None
    pre_existing: bool = False


class OutcomeTable(Strict):
    """What may differ by solver."""

    reason: str | None = None
    outcome: Literal["no-change", "change", "unsolvable"] | None = None
    verdict: Literal["safe", "review", "unsafe", "unsolvable", "unknown"] | None = None
    changes: tuple[str, ...] | None = None
    findings: tuple[FindingTable, ...] | None = None
    steps: tuple[str, ...] | None = None
    edges: tuple[str, ...] | None = None


class ExpectedTable(OutcomeTable):
    recommendation: Literal["in-place", "migrate", "do-not-proceed"] | None = None
    explanation_mentions: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    by_solver: dict[str, OutcomeTable] = {}


class Scenario(Strict):
    name: str
    description: str
    change: ChangeTable
    expected: ExpectedTable
    host: HostTable = HostTable()
    packages: dict[str, PackageTable] = {}
    environments: dict[str, EnvironmentTable] = {}
    around: AroundTable = AroundTable()
    near_miss: tuple[str, ...] = ()


def paths() -> list[Path]:
    """Every scenario file, in a fixed order."""
    return sorted(FOLDER.glob("*/*.toml"))


def load(path: Path) -> Scenario:
    """One scenario. Raises `AssertionError` naming the file and the key for whatever is wrong with it."""
    try:
        scenario = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Scenario)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise AssertionError(f"{path}: {error}") from error
    problems = list(_problems(scenario))
    assert not problems, f"{path}: {'; '.join(problems)}"
    return scenario


def _problems(scenario: Scenario) -> list[str]:
    known, ids = set(scenario.packages), {rule.id for rule in RULES}
    named = {f.rule for f in scenario.expected.findings or ()} | set(scenario.near_miss)
    asked = [scenario.change.install, scenario.change.update, scenario.change.remove, scenario.change.update_all]
    return [
        *(
            f"environment {name} installs {dist}, which is no package of this scenario"
            for name, environment in scenario.environments.items()
            for dist in {*environment.installed, *environment.unreadable} - known
        ),
        *(f"there is no rule {rule}" for rule in named - ids),
        *(["[change] must ask for exactly one thing"] if sum(map(bool, asked)) != 1 else []),
        *(
            f"expected.{key} is missing"
            for key in ("outcome", "verdict", "changes", "findings", "steps")
            if getattr(scenario.expected, key) is None
        ),
        *(f"by_solver.{name} gives no reason" for name, t in scenario.expected.by_solver.items() if not t.reason),
    ]


def run(
    scenario: Scenario,
    folder: Path,
    *,
    offline: bool = True,
    solver: Literal["rattler", "libmamba"] = "rattler",
    solver_python: str | None = None,
) -> Plan:
    """The plan for a scenario, written below `folder` and answered by the whole pipeline."""
    question = replace(write(scenario, folder, offline=offline), solver=solver, solver_python=solver_python)
    programs = [subprocess.Popen([folder / path, "60"], stdout=subprocess.DEVNULL) for path in scenario.around.running]
    try:
        return what_if(question, RULES)
    finally:
        for program in programs:
            program.kill()
            program.wait()


def write(scenario: Scenario, folder: Path, *, offline: bool = True) -> Question:
    """Write the scenario's installation and channels, and return the question to ask of them."""
    root = folder / "root"
    (root / "envs").mkdir(parents=True)
    for name, environment in ({"base": EnvironmentTable(installed=())} | scenario.environments).items():
        prefix = root if name == "base" else root / "envs" / name
        _write_environment(prefix, environment, scenario)
    names = scenario.change.channels or _channels(scenario)
    for name in _channels(scenario):
        _write_channel(folder / "channels" / name, name, scenario)
    for dist, table in scenario.packages.items():
        if (table.objects or table.files) and table.at_hand:
            _write_cached(root / "pkgs" / dist, record(dist, table, scenario.host.subdir), table)
    (folder / "home").mkdir()
    _write_around(folder, scenario.around)
    change = scenario.change
    operation = _operation(change)
    return Question(
        env=change.environment,
        specs=change.install or change.update or change.remove,
        operation=operation,
        tool=change.tool,
        root=str(root),
        channels=tuple(channel_url(name) for name in names),
        override_channels=True,
        mirrors=tuple((channel_url(name), str(folder / "channels" / name)) for name in names),
        offline=offline,
        look_into_files=not change.no_files,
        channel_priority=change.channel_priority,
        solver="rattler",
        subdir=scenario.host.subdir,
        cuda=scenario.host.cuda,
        driver=scenario.host.driver,
        glibc=scenario.host.glibc if scenario.host.subdir.startswith("linux-") else None,
        host_file=_host_file(folder, scenario.host),
        environ={name: _here(value, folder) for name, value in scenario.around.environ.items()},
        scan=tuple(str(folder / place) for place in scenario.around.scan),
        system=str(folder / "system"),
        home=str(folder / "home"),
        cache_dir=str(folder / "cache"),
        created=CREATED,
    )


def _host_file(folder: Path, host: HostTable) -> str | None:
    """A host file, where the scenario states what only such a file can tell."""
    if host.compute_capabilities is None:
        return None
    path = folder / "host.json"
    packages = {"__unix": "0", "__linux": "5.15"} if host.subdir.startswith("linux-") else {"__win": "10"}
    _dump(
        path,
        {
            "subdir": host.subdir,
            "virtual_packages": packages,
            "driver": host.driver,
            "compute_capabilities": list(host.compute_capabilities),
        },
    )
    return str(path)


def channel_url(name: str) -> str:
    return f"{_HOSTS.get(name, 'https://conda.anaconda.org')}/{name}"


def _operation(change: ChangeTable) -> Literal["install", "update", "update-all", "remove"]:
    if change.update_all:
        return "update-all"
    if change.remove:
        return "remove"
    return "update" if change.update else "install"


def _channels(scenario: Scenario) -> tuple[str, ...]:
    """The channels in the order in which packages name them first."""
    return tuple(dict.fromkeys(name for table in scenario.packages.values() for name in _published(table)))


def _published(table: PackageTable) -> tuple[str, ...]:
    return (table.channel,) if table.published_in is None else table.published_in


def record(dist: str, table: PackageTable, subdir: str) -> dict[str, Any]:
    """The record of one package, as repodata has it but for its file name, which is in `fn`."""
    name, version, build = dist.rsplit("-", 2)
    number = re.search(r"_(\d+)(?:_|$)", build)
    digest = hashlib.sha256(f"{table.channel}/{dist}".encode()).hexdigest()
    optional = {
        "noarch": table.noarch,
        "timestamp": table.timestamp,
        "track_features": table.track_features,
    }
    return {
        "name": name,
        "version": version,
        "build": build,
        "build_number": int(number[1]) if table.build_number is None and number else table.build_number or 0,
        "depends": list(table.depends),
        "constrains": list(table.constrains),
        "subdir": "noarch" if table.noarch else subdir,
        "sha256": digest,
        "md5": digest[:32],
        "size": table.size,
        "fn": f"{dist}.conda",
        **{key: value for key, value in optional.items() if value is not None},
    }


def _write_channel(folder: Path, name: str, scenario: Scenario) -> None:
    records = [
        record(dist, table, scenario.host.subdir)
        for dist, table in scenario.packages.items()
        if name in _published(table)
    ]
    for subdir in (scenario.host.subdir, "noarch"):
        packages = {item["fn"]: _without_fn(item) for item in records if item["subdir"] == subdir}
        _dump(folder / subdir / "repodata.json", {"info": {"subdir": subdir}, "packages.conda": packages})


def _without_fn(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "fn"}


def _write_environment(prefix: Path, environment: EnvironmentTable, scenario: Scenario) -> None:
    meta = prefix / "conda-meta"
    meta.mkdir(parents=True)
    lines = ["==> 2024-01-01 00:00:00 <==", "# cmd: conda create"]
    for dist in environment.installed:
        table = scenario.packages[dist]
        installed = record(dist, table, scenario.host.subdir)
        url = f"{channel_url(table.channel)}/{installed['subdir']}/{installed['fn']}"
        paths_data = {
            "paths_version": 1,
            "paths": [{"_path": path, "path_type": "hardlink"} for path in _files(table)],
        }
        paths_data["paths"] += [
            {"_path": path, "path_type": "hardlink", "sha256": _source(dist, path)[1].hex()} for path in table.sources
        ]
        _dump(
            meta / f"{dist}.json",
            {
                **installed,
                "channel": table.recorded_channel or channel_url(table.channel),
                "url": url,
                "files": [*_files(table), *table.sources],
                "paths_data": paths_data,
            },
        )
        _write_files(prefix, table)
        for path in table.sources:
            _touch(prefix / path, _source(dist, path)[0])
        lines.append(f"+{table.channel}/{installed['subdir']}::{dist}")
    lines.append(f"# update specs: {list(environment.requested)!r}")
    for dist in environment.unreadable:
        (meta / f"{dist}.json").write_text(_CUT, encoding="utf-8")
    (meta / "history").write_text("\n".join(lines if environment.installed else []) + "\n", encoding="utf-8")
    if environment.pins:
        (meta / "pinned").write_text("\n".join(environment.pins) + "\n", encoding="utf-8")
    if environment.frozen is not None:
        _dump(meta / "frozen", {"message": environment.frozen})
    for dist in environment.pip:
        _write_dist(prefix / _site_packages(environment, scenario), dist)
    for path, item in environment.objects.items():
        objects.write(item, prefix / path)


def _files(table: PackageTable) -> tuple[str, ...]:
    return (*table.files, *table.objects)


def _write_files(folder: Path, table: PackageTable) -> None:
    for path in table.files:
        _touch(folder / path)
    for path, item in table.objects.items():
        objects.write(item, folder / path)


def _write_cached(folder: Path, item: dict[str, Any], table: PackageTable) -> None:
    """The package as an installer leaves it, extracted, in the package cache."""
    paths = [
        {"_path": path, "path_type": "softlink" if path in table.objects and table.objects[path].link else "hardlink"}
        for path in _files(table)
    ]
    _dump(folder / "info" / "index.json", item)
    _dump(folder / "info" / "repodata_record.json", item)
    _dump(folder / "info" / "paths.json", {"paths_version": 1, "paths": paths})
    _write_files(folder, table)


def _site_packages(environment: EnvironmentTable, scenario: Scenario) -> str:
    if scenario.host.subdir.startswith("win-"):
        return "Lib/site-packages"
    python = next(dist for dist in environment.installed if dist.startswith("python-3"))
    version = python.rsplit("-", 2)[1]
    return f"lib/python{'.'.join(version.split('.')[:2])}/site-packages"


def _write_dist(site_packages: Path, dist: PipTable) -> None:
    folder = f"{dist.name.replace('-', '_')}-{dist.version}.dist-info"
    required = f"Requires-Python: {dist.requires_python}\n" if dist.requires_python else ""
    texts = {
        "METADATA": f"Metadata-Version: 2.1\nName: {dist.name}\nVersion: {dist.version}\n{required}"
        + "".join(f"Requires-Dist: {line}\n" for line in dist.requires_dist),
        "WHEEL": "Wheel-Version: 1.0\n" + "".join(f"Tag: {tag}\n" for tag in dist.tags),
        "INSTALLER": "pip\n",
    }
    if dist.direct_url or dist.editable:
        info = {"editable": True} if dist.editable else {}
        texts["direct_url.json"] = json.dumps({"url": dist.direct_url, "dir_info": info})
    if dist.record:
        listed = [*dist.files, *dist.objects, *(f"{folder}/{name}" for name in (*texts, "RECORD"))]
        hashed = [f"{path},sha256={_base64(_source(folder, path)[1])},\n" for path in dist.sources]
        texts["RECORD"] = "".join([*hashed, *(f"{path},,\n" for path in listed)])
    for name, text in texts.items():
        _touch(site_packages / folder / name, text)
    for path in dist.files:
        _touch(site_packages / path)
    for path, item in dist.objects.items():
        objects.write(item, site_packages / path)
    for path in dist.sources:
        _touch(site_packages / path, _source(folder, path)[0])


def _write_around(folder: Path, around: AroundTable) -> None:
    for path, text in around.files.items():
        _touch(folder / path, _here(text, folder))
    for path, target in around.links.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).unlink(missing_ok=True)
        (folder / path).symlink_to(_here(target, folder))
    for path, other in around.same_file.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).unlink(missing_ok=True)
        (folder / path).hardlink_to(folder / other)
    for path in around.running:
        (folder / path).unlink(missing_ok=True)
        shutil.copy(shutil.which("sleep") or "/bin/sleep", folder / path)
    for python, dists in around.user_site.items():
        for dist in dists:
            _write_dist(folder / "home/.local/lib" / f"python{python}" / "site-packages", dist)


def _here(text: str, folder: Path) -> str:
    return text.replace("{here}", str(folder))


def _source(owner: str, path: str) -> tuple[str, bytes]:
    """The content of a file that its owner writes in its own way, and the hash of it."""
    text = f"# {path} of {owner}\n"
    return text, hashlib.sha256(text.encode()).digest()


def _base64(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _touch(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _dump(path: Path, value: dict[str, Any]) -> None:
    _touch(path, json.dumps(value, indent=1))


def told(change: PackageChange) -> str:
    """One change as scenarios write it."""
    before, after = change.before, change.after
    if before is None or after is None:
        there = after or before
        assert there is not None
        return f"{'-' if after is None else '+'} {change.name} {there.version}"
    if change.action in {"upgrade", "downgrade"}:
        return f"{change.name} {before.version} -> {after.version}"
    if change.action == "rebuild":
        return f"{change.name} {before.version} {before.build} -> {after.build}"
    if change.action == "relink":
        return f"~ {change.name}"
    return f"{change.name} {before.version} from {after.channel}"


def observed(plan: Plan, expected: ExpectedTable) -> dict[str, Any]:
    """What a plan says, in the terms and with the detail of what is expected."""
    wanted = expectation(expected, plan.solver.name)
    return {
        "outcome": plan.outcome,
        "verdict": plan.verdict.value,
        "changes": sorted(told(change) for change in plan.changes),
        "findings": sorted(
            _describe(
                rule=finding.rule,
                subject=_short(finding.subject, plan),
                environment=finding.environment,
                severity=finding.severity.value,
                status=finding.status,
                basis=finding.basis,
                predicts=finding.predicts,
                pre_existing=finding.pre_existing,
                like=_like(finding.rule, _short(finding.subject, plan), wanted),
            )
            for finding in plan.findings
        ),
        "steps": [step.kind for step in plan.migration.steps] if plan.migration else [],
        "untouched": sorted(
            row.name
            for row in plan.environments
            if row.prefix != plan.target.prefix and not row.affected and row.readable and row.evidence
        ),
        "unreadable": sorted(row.name for row in plan.environments if not row.readable),
        **({"recommendation": plan.recommendation} if expected.recommendation else {}),
        **({"edges": sorted(map(_drawn, plan.edges))} if wanted.edges is not None else {}),
    }


def _short(subject: str, plan: Plan) -> str:
    """A subject with paths relative to the scenario's folder."""
    return subject.replace(f"{Path(plan.root).parent}/", "")


def stated(expected: ExpectedTable, solver: str, names: set[str]) -> dict[str, Any]:
    """What is expected, in the form of `observed`; `names` are all environments but the target."""
    wanted = expectation(expected, solver)
    return {
        "outcome": wanted.outcome,
        "verdict": wanted.verdict,
        "changes": sorted(wanted.changes or ()),
        "findings": sorted(
            _describe(
                rule=finding.rule,
                subject=finding.subject,
                environment=finding.environment,
                severity=finding.severity,
                status=finding.status,
                basis=finding.basis,
                predicts=finding.predicts,
                pre_existing=finding.pre_existing,
                like=finding,
            )
            for finding in wanted.findings or ()
        ),
        "steps": list(wanted.steps or ()),
        "untouched": sorted(expected.untouched) if expected.untouched else sorted(names),
        "unreadable": sorted(expected.unreadable),
        **({"recommendation": expected.recommendation} if expected.recommendation else {}),
        **({"edges": sorted(wanted.edges)} if wanted.edges is not None else {}),
    }


def expectation(expected: ExpectedTable, solver: str) -> OutcomeTable:
    """The expectation for one solver: the general one, with that solver's exceptions."""
    special = expected.by_solver.get(solver)
    if special is None:
        return expected
    changed = {key: getattr(special, key) for key in special.__struct_fields__ if getattr(special, key) is not None}
    return msgspec.structs.replace(expected, **changed)


def _drawn(edge: Edge) -> str:
    """One edge as scenarios write it."""
    return f"{edge.consumer} -> {edge.provider} {edge.requirement}: {edge.status}"


def _like(rule: str, subject: str, wanted: OutcomeTable) -> FindingTable | None:
    return next((f for f in wanted.findings or () if (f.rule, f.subject) == (rule, subject)), None)


def _describe(*, like: FindingTable | None, pre_existing: bool, **facts: str | None) -> str:
    """A finding as text, with the facts that its expectation states; all of them where nothing expects it."""
    shown = {key: value for key, value in facts.items() if like is None or getattr(like, key) is not None}
    text = " ".join(f"{key}={value}" for key, value in shown.items() if value is not None)
    return f"{text} pre-existing" if pre_existing else text
