"""How breaks are grouped and put into words: shared by the rules that report them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from planner.abi.fates import edge_of, moves

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from planner.abi.comparison import Break
    from planner.model.plan import Edge, Prediction
    from planner.rule import RuleContext

Key = TypeVar("Key", bound="Hashable")

_EFFECTS: tuple[Prediction, ...] = ("import", "run", "load")


def grouped(breaks: Iterable[Break], key: Callable[[Break], Key]) -> dict[Key, list[Break]]:
    """Breaks by key, those that were there before apart from the others of their key: then only the others stay."""
    found: dict[Key, list[Break]] = {}
    for item in breaks:
        found.setdefault(key(item), []).append(item)
    return {name: [item for item in items if not item.pre_existing] or items for name, items in found.items()}


def strongest(breaks: Sequence[Break]) -> Prediction:
    """What a person would see first: a failing import, a program, else an object that does not load."""
    seen = {found.effect for found in breaks}
    return next(effect for effect in _EFFECTS if effect in seen)


def owner(subject: str) -> str:
    """A subject as a sentence has it."""
    kind, _, name = subject.partition(":")
    return {"conda": name, "pip": f"pip's {name}"}.get(kind, name)


def needs(subject: str, breaks: Sequence[Break]) -> str:
    """The beginning of a sentence about what needs something: one object by name, several by number."""
    first = breaks[0]
    paths = sorted({found.path for found in breaks})
    what = paths[0] if len(paths) == 1 else f"{len(paths)} objects"
    of = "" if subject.startswith("file:") else f" of {owner(subject)}"
    verb = "needs" if len(paths) == 1 else "need"
    through = f" {first.chain[-1]}, which needs" if len(first.chain) > 1 else ""
    return f"{what}{of} {verb}{through}"


def becomes(ctx: RuleContext, provider: str) -> str:
    """What the package that gives something now turns into: "labzip 1.5.0, which becomes 2.0.0"."""
    change = moves(ctx, provider)
    if change is None or change.before is None:
        return owner(provider)
    name = f"{change.name} {change.before.version}"
    if change.after is None:
        return f"{name}, which is removed"
    if change.after.version == change.before.version:
        return f"{name} {change.before.build}, which becomes {change.after.build}"
    return f"{name}, which becomes {change.after.version}"


def remedy(ctx: RuleContext, subject: str, provider: str | None) -> str:
    """What to do about an object that will lack something: move it too, or keep what it needs."""
    change = moves(ctx, provider) if provider is not None else None
    keep = f"keep {change.before.label}, " if change is not None and change.before is not None else ""
    kind, _, name = subject.partition(":")
    if kind == "conda":
        return f"ask for a build of {name} that goes with it in the same change, {keep}or make a new environment"
    again = f"install {name} again" if kind == "pip" else f"build {name} again"
    return f"{again} after the change, {keep}or make a new environment"


def edges_of(ctx: RuleContext, breaks: Sequence[Break]) -> tuple[Edge, ...]:
    """The edges that broke: those of the objects that lack something, which may be deeper than what fails to load."""
    links = ctx.binaries.links if ctx.binaries is not None else ()
    wanted = {(found.consumer, found.library) for found in breaks}
    return tuple(edge_of(ctx, link) for link in links if (link.consumer, link.library) in wanted)
