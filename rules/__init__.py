"""The catalogue: every rule, sorted by id, listed by hand so that nothing runs that nobody put here.

A rule is one file, `<id>_<slug>.py`: its docstring is its page, `check` yields findings, `RULE` is its value. How
findings are ordered and weighed is `planner.judge`'s business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules import (
    abi001_python_minor,
    abi002_abi_flavour,
    abi003_soname_lost,
    abi004_symbol_missing,
    abi005_series_moved,
    abi006_numpy_capi,
    abi007_torch_capi,
    abi008_torch_pair,
    abi009_glibc_floor,
    abi010_openmp_twice,
    base001_conda_lost,
    base002_in_use,
    base003_disk,
    chg001_dropped,
    chg002_downgrade,
    chg003_channel_switch,
    chg004_pin_breach,
    chg005_python_moved,
    chg006_no_way_back,
    chg007_end_of_line,
    chg008_clobber,
    chg009_import_lost,
    env001_user_site,
    env002_python_path,
    env003_library_path,
    env004_venv_on_base,
    env005_outside_reference,
    env006_shared_inode,
    gpu001_gpu_to_cpu,
    gpu002_driver_too_old,
    gpu003_arch_dropped,
    gpu004_cuda_mixed,
    gpu005_host_unknown,
    pip001_orphaned,
    pip002_two_owners,
    pip003_requires,
    pip004_overwritten,
)

if TYPE_CHECKING:
    from planner.rule import Rule

RULES: tuple[Rule, ...] = (
    abi001_python_minor.RULE,
    abi002_abi_flavour.RULE,
    abi003_soname_lost.RULE,
    abi004_symbol_missing.RULE,
    abi005_series_moved.RULE,
    abi006_numpy_capi.RULE,
    abi007_torch_capi.RULE,
    abi008_torch_pair.RULE,
    abi009_glibc_floor.RULE,
    abi010_openmp_twice.RULE,
    base001_conda_lost.RULE,
    base002_in_use.RULE,
    base003_disk.RULE,
    chg001_dropped.RULE,
    chg002_downgrade.RULE,
    chg003_channel_switch.RULE,
    chg004_pin_breach.RULE,
    chg005_python_moved.RULE,
    chg006_no_way_back.RULE,
    chg007_end_of_line.RULE,
    chg008_clobber.RULE,
    chg009_import_lost.RULE,
    env001_user_site.RULE,
    env002_python_path.RULE,
    env003_library_path.RULE,
    env004_venv_on_base.RULE,
    env005_outside_reference.RULE,
    env006_shared_inode.RULE,
    gpu001_gpu_to_cpu.RULE,
    gpu002_driver_too_old.RULE,
    gpu003_arch_dropped.RULE,
    gpu004_cuda_mixed.RULE,
    gpu005_host_unknown.RULE,
    pip001_orphaned.RULE,
    pip002_two_owners.RULE,
    pip003_requires.RULE,
    pip004_overwritten.RULE,
)


def rule_by_id(rule_id: str) -> Rule | None:
    """The rule of that id, in whatever case it is written; None when the catalogue has none."""
    return next((rule for rule in RULES if rule.id == rule_id.upper()), None)
