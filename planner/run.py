"""The main job as one readable function: load, solve twice, compare, judge, plan.

`what_if` reads the installation, the channels and the host, and returns a `Plan`. It writes nothing but the planner's
own cache folder, runs nothing of the environments it looks at, and prints nothing: what a person sees is the
renderers' business, progress goes to the function passed in.

The engine starts and solves beside all else: what only judging needs is imported and read meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.question import Question
from planner.situation import read_situations
from planner.solve.beside import beside
from planner.solving import Answers, engine, engine_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from planner.around import Around
    from planner.model.plan import Plan
    from planner.rule import Rule

    Rules: TypeAlias = Sequence[Rule] | Callable[[], Sequence[Rule]]

__all__ = ["Question", "what_if", "what_if_each"]


def what_if(question: Question, rules: Rules, progress: Callable[[str], None] | None = None) -> Plan:
    """Answer the question. `rules` may be a function that gets them: they are not needed before an engine works.

    Raises `InputError` and its kin for what cannot be used, `SolverFailed` for a broken engine.
    """
    return next(what_if_each((question,), rules, progress))


def what_if_each(
    questions: Sequence[Question], rules: Rules, progress: Callable[[str], None] | None = None
) -> Iterator[Plan]:
    """Answer several questions, which differ in what should change and in nothing else; what they share is read once.

    Each plan is what `what_if` would answer. Raises as that does.
    """
    report = progress or (lambda _text: None)
    around: Around | None = None
    with beside() as begin:
        solver = engine_named(questions[0], begin, report)
        for question, situation in zip(questions, read_situations(questions, report), strict=True):
            solver = solver or engine(question, situation.base, begin, report)
            answers = Answers(begin, situation, solver, report)

            from planner.around import read_around
            from planner.judging import plan_of

            around = around or read_around(question, situation, report)
            rules = rules() if callable(rules) else rules
            yield plan_of(question, situation, around, answers, rules, report)
