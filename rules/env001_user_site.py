"""ENV001 user-site: the user's own site-packages is, or becomes, visible in the environment.

What it checks:
    `~/.local/lib/pythonX.Y/site-packages` (or PYTHONUSERBASE's) of the python before and after the change: which of its
    distributions are lost, which become visible, and which stand before packages of the environment.

Why it matters:
    Every python X.Y of the user reads this folder, in whatever environment, and before the environment's own packages.
    When python moves to another minor, what `pip install --user` brought vanishes, and what lies in the folder of the
    new one shadows what conda installs.

How it decides:
    By X.Y: the folder of the old python is no longer read, that of the new one is. A distribution of the same name as
    one of the environment shadows it. That is a block where the change brings the shadowed package, else a warning. What
    was visible or shadowed before is marked as such.

Evidence and limits:
    The dist-info folders are read. Only this user's home is known: other users have user sites of their own. Not checked:
    modules that lie there without metadata, and two distributions that bring the same module under different names.
    With PYTHONNOUSERSITE set (in conda-meta/state, or where the planner was started) nothing is said.

Example:
    base moves to python 3.11; ~/.local/lib/python3.11/site-packages holds numpy 1.23.5, which is then imported instead of
    the numpy 2.0 that the change brings.

What to do:
    Set PYTHONNOUSERSITE=1 for the environment (`conda env config vars set PYTHONNOUSERSITE=1`), or move what is needed
    into it.

References:
    CPython's site module; conda/conda#394; conda-forge/python-feedstock#171.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.afterwards import new_python, python_goes, python_leaves
from planner.model.plan import Evidence, Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planner.model.installed import PackageRecord, PipDist
    from planner.model.plan import Finding
    from planner.reference import UserSite
    from planner.rule import RuleContext

_OFF = "set PYTHONNOUSERSITE=1 for the environment, or remove it there with `python -m pip uninstall`"
_NAMED = 4


def check(ctx: RuleContext) -> Iterator[Finding]:
    """What is lost, one finding each; what shadows, one each; and one for whatever else becomes visible."""
    if ctx.surroundings.user_site_off or ctx.on_windows or ctx.environment.python is None:
        return
    old = ctx.surroundings.user_site(ctx.python_minor_before)
    new = None if python_leaves(ctx) else ctx.surroundings.user_site(ctx.python_minor_after)
    if old is not None and python_goes(ctx):
        yield from _lost(ctx, old, new)
    if new is not None:
        yield from _visible(ctx, new)


def _lost(ctx: RuleContext, old: UserSite, new: UserSite | None) -> Iterator[Finding]:
    still = {dist.name for dist in new.dists} if new else set()
    for dist in old.dists:
        if dist.name not in still:
            yield finding(
                ctx,
                "ENV001",
                Severity.WARN,
                f"pip:{dist.name}",
                f"{dist.display_name} {dist.version} (user site) stays behind in {old.path}, which {new_python(ctx)} "
                "does not read",
                f"install {dist.name}=={dist.version} again, into the environment rather than with --user",
                predicts="gone",
                evidence=(_evidence(old, dist),),
            )


def _visible(ctx: RuleContext, site: UserSite) -> Iterator[Finding]:
    provided = _provided(ctx)
    others = []
    for dist in site.dists:
        record = provided.get(dist.name)
        if record is None:
            others.append(dist)
        else:
            yield _shadowed(ctx, site, dist, record)
    if others:
        names = ", ".join(f"{dist.display_name} {dist.version}" for dist in others[:_NAMED])
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        verb = "become" if python_goes(ctx) else "are"
        yield finding(
            ctx,
            "ENV001",
            Severity.WARN,
            f"file:{site.path}",
            f"{site.path} is read by every python {site.python} of this user: {names}{more} {verb} visible here",
            _OFF,
            evidence=[_evidence(site, dist) for dist in others[:_NAMED]],
            pre_existing=not python_goes(ctx),
        )


def _shadowed(ctx: RuleContext, site: UserSite, dist: PipDist, record: PackageRecord) -> Finding:
    change = ctx.change(record.name)
    newly = python_goes(ctx)
    brought = change is not None and (change.action != "relink" or newly)
    what = "is imported instead of" if not newly else "would be imported instead of"
    return finding(
        ctx,
        "ENV001",
        Severity.BLOCK if brought else Severity.WARN,
        f"conda:{record.name}",
        f"{record.name} {record.version} is shadowed: {dist.display_name} {dist.version} of the user site {what} it",
        _OFF,
        predicts="gone" if newly and ctx.before_record(record.name) is not None else None,
        evidence=(_evidence(site, dist),),
        pre_existing=not newly and not brought,
    )


def _provided(ctx: RuleContext) -> Mapping[str, PackageRecord]:
    """The distributions that conda's packages bring after the change: by dist-info, else by the package's own name."""
    after = {record.name: record for record in (ctx.environment.records if ctx.after is None else ctx.after)}
    provided = {name: record for name, record in after.items() if _needs_python(record)}
    for dist in ctx.environment.dists:
        if dist.owner in after:
            provided[dist.name] = after[dist.owner]
    return provided


def _needs_python(record: PackageRecord) -> bool:
    """Whether it can be a distribution of python's at all: a library may have the same name (`brotli`, `flatbuffers`)."""
    return record.noarch == "python" or any(spec.split(" ")[0] in {"python", "python_abi"} for spec in record.depends)


def _evidence(site: UserSite, dist: PipDist) -> Evidence:
    folder = dist.metadata_path.rpartition("/")[2]
    return Evidence("file", f"{site.path}/{folder}", f"{dist.display_name} {dist.version}")


RULE = Rule(
    id="ENV001",
    name="user-site",
    title="The user's own site-packages is, or becomes, visible in the environment",
    severity=Severity.WARN,
    check=check,
)
