"""The jobs that conda and mamba build for a command."""

import pytest
from msgspec.structs import replace

from planner.errors import BadSpec
from planner.model.installed import Environment, History, PackageRecord
from planner.model.solve import Freeze, Install, Keep, Pin, Remove, Request, Update, UpdateAll
from planner.solve.asked import Asked
from planner.solve.conda_jobs import conda_jobs
from planner.solve.mamba_jobs import mamba_jobs


def record(name, version="1.0", build="0", **more):
    return PackageRecord(name, version, build, **more)


RECORDS = (
    record("conda", "24.1.2"),
    record("liba"),
    record("numpy", "1.26.4", "py310h0_0", depends=("python >=3.10,<3.11.0a0",)),
    record("openssl"),
    record("pip", noarch="python", depends=("python",)),
    record("python", "3.10.14"),
    record("scipy", depends=("numpy", "python_abi 3.10.* *_cp310")),
)
HISTORY = History((("numpy", "numpy 1.*"), ("python", "python=3.10")))


def asked(operation, *specs, tool="conda", options=(), is_base=False, pins=(), history=HISTORY, **more):
    environment = Environment("env", "/opt/conda/envs/env", "linux-64", records=RECORDS, history=history, pins=pins)
    return Asked(environment, Request(operation, specs, tool=tool, options=options), is_base, **more)


def of(jobs, *kinds):
    return [job for job in jobs if isinstance(job, kinds)]


def test_a_plain_install_freezes_what_nobody_asked_for():
    jobs = conda_jobs(asked("install", "pandas"))
    assert of(jobs, Install) == [Install("pandas"), Install("numpy 1.*")]
    assert of(jobs, Update) == [Update("openssl")]
    assert {job.name for job in of(jobs, Freeze)} == {"conda", "liba", "pip", "scipy"}
    assert {job.name for job in of(jobs, Keep)} == {"conda", "numpy", "openssl", "python"}
    assert of(jobs, Pin) == [Pin("python 3.10.*")]


def test_an_update_freezes_nothing():
    jobs = conda_jobs(asked("update", "numpy"))
    assert not of(jobs, Freeze)
    assert Update("numpy") in jobs
    assert conda_jobs(asked("install", "numpy", options=("--update-specs",))) == jobs


def test_an_installed_request_is_an_update_and_is_kept():
    jobs = conda_jobs(asked("install", "liba=2"))
    assert Update("liba=2") in jobs
    assert Keep("liba") in jobs


def test_another_python_releases_at_once_what_is_bound_to_the_old_one():
    jobs = conda_jobs(asked("install", "python=3.11", history=History()))
    assert {job.name for job in of(jobs, Freeze)} == {"conda", "liba", "pip"}
    assert not of(jobs, Pin)
    same = conda_jobs(asked("install", "python=3.10", history=History()))
    assert {job.name for job in of(same, Freeze)} == {"conda", "liba", "numpy", "pip", "scipy"}


def test_what_conflicts_loses_its_protection_and_a_history_spec_its_build():
    history = History((("numpy", "numpy==1.26.4=py310h0_0"), ("scipy", "scipy")))
    jobs = conda_jobs(asked("install", "pandas", history=history), {"numpy", "liba"})
    assert Install("numpy 1.26.4") in jobs
    assert Keep("numpy") not in jobs
    assert Freeze("liba") not in jobs
    assert Install("scipy") in jobs
    assert Keep("scipy") in jobs


@pytest.mark.parametrize(
    ("spec", "loose"),
    [
        ("numpy 1.26.4 py310h0_0", "numpy 1.26.4.*"),
        ("numpy=1.26=py310h0_0", "numpy 1.26.*"),
        ("numpy >=1.20 py310*", "numpy >=1.20"),
        ("numpy * py310*", "numpy"),
        ("numpy 1.26.*", "numpy 1.26.*"),
    ],
)
def test_how_a_history_spec_is_loosened(spec, loose):
    jobs = conda_jobs(asked("install", "pandas", history=History((("numpy", spec),))), {"numpy"})
    assert [job.spec for job in of(jobs, Install) if job.spec != "pandas"] == [loose]


def test_pins_constrain_and_a_bare_request_takes_its_pin():
    jobs = conda_jobs(asked("install", "numpy", pins=("numpy 1.26.*", "python 3.10.*")))
    assert Update("numpy 1.26.*") in jobs
    assert of(jobs, Pin) == [Pin("numpy 1.26.*"), Pin("python 3.10.*")]
    assert Update("numpy=2") in conda_jobs(asked("install", "numpy=2", pins=("numpy 1.26.*",)))


def test_a_pin_by_name_alone_freezes_even_in_an_update():
    jobs = conda_jobs(asked("update", "numpy", pins=("liba",)))
    assert of(jobs, Freeze) == [Freeze("liba")]
    assert Pin("liba") not in jobs


def test_the_prefix_s_own_pin_beats_a_configured_one_and_no_pin_drops_both():
    pinned = asked("install", "pandas", pins=("numpy 1.26.*",), configured_pins=("numpy 1.25.*",))
    assert Pin("numpy 1.26.*") in conda_jobs(pinned)
    assert Pin("numpy 1.25.*") not in conda_jobs(pinned)
    free = asked("install", "pandas", pins=("numpy 1.26.*",), options=("--no-pin",))
    assert of(conda_jobs(free), Pin) == [Pin("python 3.10.*")]
    assert Pin("numpy 1.25.*") in mamba_jobs(
        asked("install", "pandas", tool="mamba", pins=("numpy 1.26.*",), configured_pins=("numpy 1.25.*",))
    )


def test_base_keeps_conda_fresh_unless_told_otherwise():
    assert Update("conda") in conda_jobs(asked("install", "pandas", is_base=True))
    assert Update("conda") not in conda_jobs(asked("install", "pandas", is_base=True, auto_update_conda=False))
    assert Update("conda") not in conda_jobs(asked("install", "pandas", is_base=False))


def test_a_base_with_an_older_conda_is_not_the_simulated_one_s_own():
    old = tuple(replace(item, version="4.10.3") if item.name == "conda" else item for item in RECORDS)
    question = asked("install", "pandas", is_base=True)
    question = replace(question, environment=replace(question.environment, records=old))
    assert Update("conda") not in conda_jobs(question)


def test_update_all_moves_all_but_python_and_what_is_pinned():
    jobs = conda_jobs(asked("update-all", pins=("liba 1.*",)))
    assert {job.spec for job in of(jobs, Update)} == {"conda", "numpy", "openssl", "pip", "scipy"}
    assert {Pin("liba 1.*"), Pin("python 3.10.*")} <= set(jobs)
    assert UpdateAll() in mamba_jobs(asked("update-all", tool="mamba"))


def test_a_removal_keeps_what_was_asked_for():
    jobs = conda_jobs(asked("remove", "scipy"))
    assert jobs == (Keep("numpy"), Keep("openssl"), Keep("python"), Remove("scipy"))
    assert mamba_jobs(asked("remove", "scipy", tool="mamba")) == (Remove("scipy"), Keep("numpy"), Keep("python"))


def test_mamba_asks_for_what_was_typed_and_for_pip_beside_python():
    assert mamba_jobs(asked("install", "python=3.11", tool="mamba")) == (Install("python=3.11"), Install("pip"))
    assert mamba_jobs(asked("install", "pandas", tool="mamba")) == (Install("pandas"), Pin("python 3.10.*"))
    frozen = mamba_jobs(asked("install", "pandas", tool="mamba", options=("--freeze-installed",)))
    assert {job.name for job in of(frozen, Freeze)} == {item.name for item in RECORDS}


def test_mamba_holds_the_abi_of_a_free_threaded_python():
    records = (
        record("python", "3.13.1", "h0_101_cp313t"),
        record("python-freethreading", "3.13.1"),
        record("python_abi", "3.13", "8_cp313t"),
    )
    question = asked("install", "numpy", tool="mamba")
    free = replace(question, environment=replace(question.environment, records=records))
    assert of(mamba_jobs(free), Pin) == [Pin("python 3.13.*"), Pin("python_abi 3.13.* *_cp313t")]
    plain = replace(question, environment=replace(question.environment, records=(records[0], records[2])))
    assert of(mamba_jobs(plain), Pin) == [Pin("python 3.13.*")]


def test_a_bad_spec_is_refused():
    with pytest.raises(BadSpec):
        conda_jobs(asked("install", "numpy=="))
