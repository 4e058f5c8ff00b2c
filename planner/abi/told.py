"""How breaks are grouped and put into words: shared by the rules that report them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from planner.abi.fates import edge_of, moves

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from planner.abi.comparison import Break
    from planner.model import Edge, Prediction
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


def after_whom(ctx: RuleContext, provider: str) -> str:
    """What becomes of the package that gave a library: "labzip 1.5.0 gives now; it becomes 2.0.0"."""
    change = moves(ctx, provider)
    if change is None or change.before is None:
        return f"{owner(provider)} gives now"
    if change.after is None:
        return f"{change.name} {change.before.version} gives now and is removed"
    if change.after.version == change.before.version:
        return f"{change.name} {change.before.version} {change.before.build} gives now and becomes {change.after.build}"
    return f"{change.name} {change.before.version} gives now and becomes {change.after.version}"


def edges_of(ctx: RuleContext, breaks: Sequence[Break]) -> tuple[Edge, ...]:
    """The edges that broke: those of the objects that lack something, which may be deeper than what fails to load."""
    links = ctx.binaries.links if ctx.binaries is not None else ()
    wanted = {(found.consumer, found.library) for found in breaks}
    return tuple(edge_of(ctx, link) for link in links if (link.consumer, link.library) in wanted)
