"""What conda and mamba ask of libmamba when their command is typed: pure functions from an environment to jobs.

conda builds its jobs from history, pins and its own lists of packages to protect and to keep fresh; mamba asks for
what was typed and little more. The same command thus has two answers on one machine. Read from conda 26.7 with
conda-libmamba-solver 26.6 and from mamba 2.8.1. One set of jobs is built, which corresponds to conda's last attempt:
what stands in history is demanded, all else may be let go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model import Install, Job, Keep, Pin, Remove, Update, UpdateAll
from planner.versions import check_spec, minor, spec_is_bare, spec_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model import Environment, Request, Unsolvable

# conda's defaults for `aggressive_update_packages`, where the configuration sets none.
AGGRESSIVE_UPDATES = ("ca-certificates", "certifi", "openssl")


def build_jobs(
    environment: Environment,
    request: Request,
    *,
    is_base: bool,
    configured_pins: Sequence[str] = (),
    aggressive_updates: Sequence[str] = AGGRESSIVE_UPDATES,
    auto_update_conda: bool = True,
) -> tuple[Job, ...]:
    """The jobs of `request` on `environment`, as the tool named in it would build them. Raises `BadSpec`."""
    for spec in request.specs:
        check_spec(spec)
    pins = (*environment.pins, *configured_pins)
    if request.tool == "mamba":
        return _mamba(environment, request, pins)
    fresh = [name for name in aggressive_updates if environment.record(name)]
    if is_base and auto_update_conda and environment.record("conda"):
        fresh.append("conda")
    return _conda(environment, request, pins, fresh)


def asked_jobs(request: Request) -> tuple[Job, ...]:
    """The request alone, everything else weak: what a request that has no solution would cost if it were forced."""
    return tuple(Install(spec) for spec in request.specs)


def explain_unsolvable(request: Request, outcome: Unsolvable) -> str:
    """One sentence on what stands against what, with the engine's own words below it."""
    asked = " ".join(request.specs) or "updating everything"
    if outcome.against:
        against = ", ".join(outcome.against)
        first = f"{asked} cannot be had together with {against}, which the environment's history asks for"
    else:
        # Pins and history may be what forbids it, and no single spec could be blamed: no more than that is known.
        first = f"{asked} has no solution in these channels beside all else that {request.tool} asks for here"
    return f"{first}\n{outcome.explanation}"


def history_jobs(environment: Environment, request: Request) -> tuple[Install, ...]:
    """What conda demands because it was asked for earlier: history's specs of names this request does not name."""
    asked = {spec_name(spec) for spec in request.specs}
    return tuple(Install(spec) for name, spec in environment.history.specs if name not in asked)


def _conda(environment: Environment, request: Request, pins: Sequence[str], fresh: Sequence[str]) -> tuple[Job, ...]:
    asked = {spec_name(spec) for spec in request.specs}
    jobs: list[Job] = []
    if request.operation == "remove":
        jobs += [Remove(spec) for spec in request.specs]
        jobs += [Keep(name) for name, _ in environment.history.specs if name not in asked]
        return (*jobs, *(Pin(pin) for pin in pins))
    pinned = {spec_name(pin) for pin in pins}
    for spec in request.specs:
        installed = environment.record(spec_name(spec))
        jobs.append(Update(_with_pin(spec, pins)) if installed else Install(_with_pin(spec, pins)))
        if installed:
            jobs.append(Keep(installed.name))
    jobs += [Pin(pin) for pin in pins if not spec_is_bare(pin)]
    if request.operation == "update-all":
        jobs += [Update(record.name) for record in environment.records if record.name not in pinned | {"python"}]
    jobs += [Update(name) for name in fresh if name not in asked]
    jobs += [job for job in history_jobs(environment, request) if spec_name(job.spec) != "python"]
    return (*jobs, *_python_pin(environment, asked | pinned))


def _mamba(environment: Environment, request: Request, pins: Sequence[str]) -> tuple[Job, ...]:
    asked = {spec_name(spec) for spec in request.specs}
    pinned: tuple[Job, ...] = tuple(Pin(pin) for pin in pins)
    history = [Keep(name) for name, _ in environment.history.specs if name not in asked]
    if request.operation == "remove":
        return (*(Remove(spec) for spec in request.specs), *history)
    if request.operation == "update-all":
        return (UpdateAll(), *history, *pinned, *_python_pin(environment, asked))
    if request.operation == "update":
        return (*(Update(spec) for spec in request.specs), *pinned, *_python_pin(environment, asked))
    specs = [*request.specs]
    if "python" in asked and "pip" not in asked:
        specs.append("pip")
    return (*(Install(spec) for spec in specs), *pinned, *_python_pin(environment, asked))


def _python_pin(environment: Environment, named: set[str]) -> tuple[Job, ...]:
    """Both tools hold python's minor unless python is named."""
    if environment.python is None or "python" in named:
        return ()
    return (Pin(f"python {minor(environment.python)}.*"),)


def _with_pin(spec: str, pins: Sequence[str]) -> str:
    """A request of the bare name takes the pin as its spec."""
    if not spec_is_bare(spec):
        return spec
    return next((pin for pin in pins if spec_name(pin) == spec_name(spec)), spec)
