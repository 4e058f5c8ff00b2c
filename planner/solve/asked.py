"""What a tool builds its jobs from, gathered once: the environment, what was typed, and what configuration adds.

conda's options are kept under conda's own names, as they were typed; here they get their meaning. mamba's `install`
lacks some of them: which, is said here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from planner.versions import compare, minor, spec_name

if TYPE_CHECKING:
    from planner.model.installed import Environment, PackageRecord
    from planner.model.solve import Request

# conda's defaults for `aggressive_update_packages`, where the configuration sets none.
AGGRESSIVE_UPDATES = ("ca-certificates", "certifi", "openssl")

# The first conda whose default solver is libmamba: the one that is simulated.
FIRST_WITH_LIBMAMBA = "23.10.0"

UPDATE_MODIFIERS = ("--freeze-installed", "--update-specs", "--update-deps", "--update-all")
DEPS_MODIFIERS = ("--no-deps", "--only-deps")
SOLVER_OPTIONS = (*UPDATE_MODIFIERS, *DEPS_MODIFIERS, "--no-pin", "--force-reinstall")
NOT_IN_REMOVE = (*UPDATE_MODIFIERS, "--only-deps", "--force-reinstall")
NOT_IN_MAMBA = ("--update-specs", "--update-deps", "--update-all")

Modifier: TypeAlias = Literal["freeze-installed", "update-specs", "update-deps", "update-all"]


class Asked(Struct, frozen=True):
    """The inputs of conda's and mamba's job building. `pins` are the environment's and the configured ones.

    `max_attempts` is conda's own cap on attempts (`CONDA_LIBMAMBA_SOLVER_MAX_ATTEMPTS`), None where it is not set.
    """

    environment: Environment
    request: Request
    is_base: bool
    configured_pins: tuple[str, ...] = ()
    aggressive_updates: tuple[str, ...] = AGGRESSIVE_UPDATES
    auto_update_conda: bool = True
    max_attempts: int | None = None

    @property
    def pins(self) -> dict[str, str]:
        """Name to pin. A name that is pinned twice has the pin that comes last: a prefix's own beats a configured one."""
        if "--no-pin" in self.request.options:
            return {}
        return {spec_name(pin): pin for pin in (*self.configured_pins, *self.environment.pins)}

    @property
    def requested(self) -> dict[str, str]:
        """Name to spec, of what was typed."""
        return {spec_name(spec): spec for spec in self.request.specs}

    @property
    def history(self) -> dict[str, str]:
        """Name to spec, of what was asked for earlier."""
        return dict(self.environment.history.specs)

    @property
    def installed(self) -> dict[str, PackageRecord]:
        """Name to record, by name."""
        return {record.name: record for record in self.environment.records}

    @property
    def modifier(self) -> Modifier:
        """Conda's update modifier: a plain install freezes what is installed, a plain update moves what it names."""
        if self.request.operation == "update-all":
            return "update-all"
        for option in UPDATE_MODIFIERS:
            if option in self.request.options:
                return option.removeprefix("--")  # type: ignore[return-value]  # one of the four, by construction
        return "freeze-installed" if self.request.operation == "install" else "update-specs"

    @property
    def kept_fresh(self) -> dict[str, str]:
        """What conda updates with every change, as name to bare spec: by configuration, and itself in its own base.

        conda 23.10 or newer is what is simulated. A base whose own conda is older cannot be that conda's own.
        """
        installed = self.installed
        fresh = {name: name for name in self.aggressive_updates if name in installed}
        conda = installed.get("conda")
        own = conda is not None and compare(conda.version, FIRST_WITH_LIBMAMBA) >= 0
        if self.is_base and own and self.auto_update_conda:
            fresh["conda"] = "conda"
        return fresh

    @property
    def python_pin(self) -> str | None:
        """`python X.Y.*` of the installed python, which both tools hold while nobody names python."""
        python = self.installed.get("python")
        return f"python {minor(python.version)}.*" if python else None
