"""The jobs that mamba and micromamba build: what was typed and little more.

Read from mamba 2.8.1. No history but for cleaning up after a removal, no retries: what stands in the way is removed,
named or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.solve import Freeze, Install, Job, Keep, Pin, Remove, Update, UpdateAll
from planner.versions import minor

if TYPE_CHECKING:
    from planner.solve.asked import Asked


def mamba_jobs(asked: Asked) -> tuple[Job, ...]:
    """The jobs of mamba's `install`, `update` or `remove`. Raises `BadSpec`."""
    request, requested = asked.request, asked.requested
    keeps = tuple(Keep(name) for name in asked.history if name not in requested)
    if request.operation == "remove":
        return (*(Remove(spec) for spec in requested.values()), *keeps)
    pins: tuple[Job, ...] = tuple(Pin(pin) for pin in _pins(asked))
    if asked.python_pin and "python" not in requested:
        pins = (*pins, Pin(asked.python_pin), *_abi_pin(asked))
    if request.operation == "update-all":
        return (UpdateAll(), *keeps, *pins)
    if request.operation == "update":
        return (*(Update(spec) for spec in requested.values()), *pins)
    frozen = asked.installed if "--freeze-installed" in request.options else ()
    specs = [*requested.values(), *(["pip"] if "python" in requested and "pip" not in requested else [])]
    return (*(Freeze(name) for name in frozen), *(Install(spec) for spec in specs), *pins)


def _pins(asked: Asked) -> tuple[str, ...]:
    """Every line of both places: unlike conda, mamba adds them up."""
    if "--no-pin" in asked.request.options:
        return ()
    return (*asked.environment.pins, *asked.configured_pins)


def _abi_pin(asked: Asked) -> tuple[Job, ...]:
    """Mamba holds the ABI tag as well where a free-threaded python was asked for by its own package."""
    abi = asked.installed.get("python_abi")
    if abi is None or "python-freethreading" not in asked.installed:
        return ()
    _, separator, tag = abi.build.partition("_")
    return (Pin(f"python_abi {minor(abi.version)}.* *_{tag}"),) if separator else ()
