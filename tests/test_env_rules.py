"""The rules about what refers to an environment, on small hand-built surroundings: to the word, and what must not fire."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from planner.model.installed import DirectUrl, Environment, Installation, PipDist
from planner.reference import Disk, Reference, Room, RunningProcess, Setting, SharedFile, Surroundings, UserSite
from rules import RULES
from tests.situations import fired, only, pkg, python, short, situation

BASE = "/srv/conda"


def around(ctx, *references, **more):
    other = Environment("other", f"{BASE}/envs/other", "linux-64")
    return replace(
        ctx,
        installation=Installation(BASE, (ctx.environment, other)),
        surroundings=Surroundings(references=references, **more),
    )


def moving(*references, dists=(), files=None, extra=(), **more):
    """Base moves from python 3.10 to 3.11."""
    ctx = situation(
        [python("3.10.13"), *extra], [python("3.11.9"), *extra], "python=3.11", base=True, dists=dists, files=files
    )
    return around(ctx, *references, **more)


def staying(*references, **more):
    """Base gets a new patch release of its python."""
    return around(situation([python("3.10.13")], [python("3.10.14")], "python=3.10.14", base=True), *references, **more)


def reference(kind="shebang", path="bin/python", **more):
    return Reference(kind, f"/home/u/{kind}", BASE, path, f"names {BASE}/{path}", **more)


def dist(name, version="1.0", **more):
    more.setdefault("top_level", (name,))
    location = more.pop("location", "lib/python3.10/site-packages")
    return PipDist(
        name, version, name, location, f"{location}/{name}-{version}.dist-info", more.pop("python", "3.10"), **more
    )


def user_site(minor, *names):
    location = f"lib/python{minor}/site-packages"
    found = tuple(dist(name, "0.1", location=location, python=minor) for name in names)
    return UserSite(minor, f"/home/u/.local/{location}", found)


# ---------------------------------------------------------------------------------------------------------------------
# ENV001


def test_env001_what_is_in_both_user_sites_is_not_lost():
    ctx = moving(user_sites=(user_site("3.10", "rich", "attrs"), user_site("3.11", "attrs", "black")))
    assert short(fired("ENV001", ctx)) == [
        ("pip:rich", "warn", "certain", "gone"),
        ("file:/home/u/.local/lib/python3.11/site-packages", "warn", "certain", None),
    ]


def test_env001_a_library_of_the_same_name_is_not_shadowed():
    brotli = pkg("brotli", "1.1.0", "h1", "libgcc >=12")
    ctx = moving(extra=[brotli], user_sites=(user_site("3.11", "brotli"),))
    assert [found.subject for found in fired("ENV001", ctx)] == ["file:/home/u/.local/lib/python3.11/site-packages"]


def test_env001_a_relinked_package_is_shadowed_from_now_on():
    rich = pkg("rich", "13.0", "pyhd8ed1ab_0", "python >=3.8", noarch="python")
    found = only("ENV001", moving(extra=[rich], user_sites=(user_site("3.11", "rich"),)))
    assert short([found]) == [("conda:rich", "block", "certain", "gone")]
    assert found.message == "rich 13.0 is shadowed: rich 0.1 of the user site would be imported instead of it"


def test_env001_says_nothing_without_a_python_or_with_the_user_site_switched_off():
    assert not fired("ENV001", around(situation([], [pkg("a")], "a"), user_sites=(user_site("3.10", "rich"),)))
    off = moving(user_sites=(user_site("3.10", "rich"),), user_site_off="PYTHONNOUSERSITE somewhere")
    assert not fired("ENV001", off)


# ---------------------------------------------------------------------------------------------------------------------
# ENV002 and ENV003


def setting(variable, path, *libraries, applies_to=None, scope="shell", inside=True):
    entry = f"{BASE}/{path}" if inside else path
    return Setting(
        variable,
        entry,
        "/home/u/.bashrc",
        f"export {variable}={entry}",
        scope,
        line=3,
        prefix=BASE if inside else None,
        path=path if inside else "",
        applies_to=applies_to,
        libraries=libraries,
    )


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "it starts python 3.11 instead of python 3.10"),
        ("lib/python3.10/site-packages", "what conda installed there leaves, and python 3.11 does not read it"),
        ("lib/python3.10", "it belongs to python 3.10, which is replaced by python 3.11"),
    ],
)
def test_env002_says_what_the_entry_comes_to(path, why):
    found = only("ENV002", moving(settings=(setting("PYTHONPATH", path),)))
    assert found.message == f"/home/u/.bashrc puts {BASE}/{path} on PYTHONPATH: {why}"
    assert found.evidence[0].where == "/home/u/.bashrc:3"


def test_env002_a_folder_of_the_user_s_own_in_the_environment_stays():
    assert not fired("ENV002", moving(settings=(setting("PYTHONPATH", "share/tools"),)))
    assert not fired("ENV002", staying(settings=(setting("PYTHONPATH", "lib/python3.10"),)))


CUDART = pkg("cudart", "12.1")
FILES = {"cudart": ["lib/libcudart.so.12", "bin/x"]}


def library_change(*settings):
    ctx = situation([CUDART], [pkg("cudart", "12.4")], "cudart", base=True, files=FILES)
    return around(ctx, settings=settings)


def test_env003_before_and_behind_the_environment():
    shadowing = setting("LD_LIBRARY_PATH", "/cuda/lib64", "libcudart.so.12", "libx.so", inside=False)
    assert only("ENV003", library_change(shadowing)).message == (
        "/home/u/.bashrc puts /cuda/lib64 on LD_LIBRARY_PATH: libcudart.so.12 would be loaded from there instead of what "
        "the change brings (cudart)"
    )
    lent = setting("LD_LIBRARY_PATH", "lib", "libcudart.so.12")
    assert "whatever starts with it loads libcudart.so.12" in only("ENV003", library_change(lent)).message
    preload = setting("LD_PRELOAD", "/cuda/libcudart.so.12", "libcudart.so.12", inside=False)
    assert only("ENV003", library_change(preload)).evidence[1].where == "/cuda/libcudart.so.12"


@pytest.mark.parametrize(
    "silent",
    [
        setting("LD_LIBRARY_PATH", "/cuda/lib64", "libcudart.so.11", inside=False),
        setting("LD_LIBRARY_PATH", "/cuda/lib64", "libcudart.so.12", inside=False, applies_to=f"{BASE}/envs/other"),
        setting("LD_LIBRARY_PATH", "/cuda/lib64", "libcudart.so.12", inside=False, scope="service"),
        setting("LD_LIBRARY_PATH", "lib", "libcudart.so.12", applies_to=BASE, scope="environment"),
        setting("LD_LIBRARY_PATH", "other", "libcudart.so.12"),
    ],
)
def test_env003_stays_silent(silent):
    assert not fired("ENV003", library_change(silent))


# ---------------------------------------------------------------------------------------------------------------------
# ENV004


def venv(**more):
    more = {"interpreter": "bin/python3.10", "python": "3.10", "made_by": "venv", **more}
    return reference("virtualenv", more["interpreter"] or "bin", **more)


@pytest.mark.parametrize(
    ("more", "predicts", "words"),
    [
        ({}, "run", "would no longer start: its bin/python leads to /srv/conda/bin/python3.10, which would be gone"),
        ({"interpreter": ""}, "run", "its python is a copy, which needs /srv/conda/lib/python3.10"),
        (
            {"interpreter": "bin/python", "modules": ("pip",)},
            "import",
            "would start python 3.11 and lose all its packages (pip)",
        ),
        ({"interpreter": "bin/python"}, None, "no packages were found in it"),
        ({"interpreter": "bin/python3", "modules": ("a", "b", "c", "d")}, "import", "(a, b, c and 1 more)"),
    ],
)
def test_env004_what_becomes_of_a_virtual_environment(more, predicts, words):
    found = only("ENV004", moving(venv(**more)))
    weight = "block" if predicts else "warn"
    assert (found.severity.value, found.status, found.predicts) == (weight, "certain", predicts)
    assert words in found.message
    assert not fired("ENV004", staying(venv(**more)))


@pytest.mark.parametrize("more", [{"broken": True}, {"python": "3.9"}])
def test_env004_one_that_is_dead_today_is_not_the_change_s_doing(more):
    assert [found.pre_existing for found in fired("ENV004", moving(venv(**more)))] == [True]
    assert [found.pre_existing for found in fired("ENV004", staying(venv(**more)))] == [True]


def test_env004_python_leaves():
    ctx = around(
        situation([python("3.10.13")], [], "python", operation="remove", base=True), venv(interpreter="bin/python")
    )
    assert only("ENV004", ctx).predicts == "run"


def test_env004_judges_a_request_without_a_solution():
    ctx = around(situation([python("3.10.13")], None, "python=3.11", base=True, forced="3.11"), venv())
    assert (only("ENV004", ctx).basis, only("ENV004", ctx).predicts) == ("request", "run")


# ---------------------------------------------------------------------------------------------------------------------
# ENV005


@pytest.mark.parametrize(
    ("found", "severity"),
    [
        (reference(path="bin/python3.10"), "block"),
        (reference(path="bin/python"), "warn"),
        (reference(path="bin/pydoc3.10"), "block"),
        (reference("unit", "bin/gunicorn", interpreter="bin/python3.10"), "block"),
        (reference("unit", "bin/gunicorn", interpreter="bin/python"), "warn"),
        (reference("job", ""), "warn"),
        (reference("path-file", "lib/python3.10/site-packages"), "warn"),
        (reference("editable", "lib/python3.10/tool"), "block"),
        (reference("unit", "bin/nginx"), None),
        (reference("unit", "bin/conda"), None),
        (reference("path-file", "src/tool"), None),
        (reference(path="bin/python3.9"), None),
    ],
)
def test_env005_by_what_becomes_of_the_path(found, severity):
    assert [item.severity.value for item in fired("ENV005", moving(found))] == ([severity] if severity else [])
    assert not fired("ENV005", staying(found))


def test_env005_a_program_whose_package_leaves():
    nginx, curl = pkg("nginx", "1.25"), pkg("curl", "8")
    files = {"nginx": ["bin/nginx"]}
    unit = reference("unit", "bin/nginx")
    ctx = around(situation([nginx], [], "nginx", operation="remove", base=True, files=files), unit)
    assert short(fired("ENV005", ctx)) == [("file:/home/u/unit", "block", "certain", "run")]
    # What comes may bring the path again: nobody knows its files yet.
    ctx = around(situation([nginx], [curl], "curl", base=True, files=files), unit)
    assert short(fired("ENV005", ctx)) == [("file:/home/u/unit", "block", "unverified", "run")]


def test_env005_a_module_that_is_lost_stops_what_would_start():
    kernel = reference("kernel", interpreter="bin/python", modules=("ipykernel_launcher",))
    pip = dist("ipykernel", top_level=("ipykernel", "ipykernel_launcher"))
    assert short(fired("ENV005", moving(kernel, dists=[pip]))) == [("file:/home/u/kernel", "block", "certain", "run")]
    conda = replace(pip, owner="ipykernel")
    stays = pkg("ipykernel", "6", "pyhd_0", "python", noarch="python")
    assert [item.severity.value for item in fired("ENV005", moving(kernel, dists=[conda], extra=[stays]))] == ["warn"]
    # The user site of the new python has it too.
    again = UserSite(
        "3.11", "/home/u/.local/lib/python3.11/site-packages", (dist("ipykernel", top_level=pip.top_level),)
    )
    assert [item.severity.value for item in fired("ENV005", moving(kernel, dists=[pip], user_sites=(again,)))] == [
        "warn"
    ]
    assert [item.severity.value for item in fired("ENV005", moving(reference(modules=("os",))))] == ["warn"]


def test_env005_what_only_the_user_site_brings_is_lost_with_it():
    script = reference(path="bin/python", interpreter="bin/python", modules=("rich",))
    found = only("ENV005", moving(script, user_sites=(user_site("3.10", "rich"),)))
    assert found.severity.value == "block"
    assert "/home/u/.local/lib/python3.10/site-packages/rich-0.1.dist-info" in [item.where for item in found.evidence]


def test_env005_of_what_lies_in_another_environment_is_about_that_one():
    found = only("ENV005", moving(reference(path="bin/python3.10", holder=f"{BASE}/envs/other")))
    assert found.environment == "other"


def test_env005_what_is_broken_today_is_marked_so():
    (found,) = fired("ENV005", moving(reference(path="bin/python3.8", broken=True)))
    assert (found.severity.value, found.pre_existing) == ("warn", True)


# ---------------------------------------------------------------------------------------------------------------------
# ENV006, BASE002, BASE003


def test_env006_is_a_note_about_what_changes():
    shared = SharedFile("lib/libcudart.so.12", f"{BASE}/envs/other/lib/libcudart.so.12", f"{BASE}/envs/other", 2)
    ctx = around(situation([CUDART], [pkg("cudart", "12.4")], "cudart", base=True), shared=lambda _record: (shared,))
    found = only("ENV006", ctx)
    assert found.severity.value == "note"
    assert found.message == (
        "cudart 12.1 changes, and a file of it is one with a file of other, which has no record of this build"
    )
    assert not fired("ENV006", around(situation([CUDART], [CUDART], "cudart"), shared=lambda _record: (shared,)))


def test_base002_needs_a_change_and_a_process_of_this_environment():
    running = RunningProcess(7, "jupyter", BASE, f"{BASE}/bin/python3.10", "u")
    found = only("BASE002", moving(processes=(running,)))
    assert found.message == "a process runs from this environment now (jupyter)"
    assert found.evidence[0].what == "in use by process 7 jupyter of u"
    assert not fired("BASE002", moving(processes=(replace(running, prefix=f"{BASE}/envs/other"),)))
    nothing = situation([CUDART], [CUDART], "cudart", base=True)
    assert not fired("BASE002", around(nothing, processes=(running,)))


@pytest.mark.parametrize(
    ("free", "cached", "status"),
    [(150, (), "certain"), (250, (), "unverified"), (500, (), None), (0, ("cudart-12.4-0",), None)],
)
def test_base003_by_room_and_cache(free, cached, status):
    room = Room("/srv/conda/pkgs", free, 1)
    disk = Disk(target=room, cache=room, new=room, cached=frozenset(cached))
    ctx = situation([CUDART], [pkg("cudart", "12.4", size=100)], "cudart", base=True)
    assert [item.status for item in fired("BASE003", around(ctx, disk=disk))] == ([status] if status else [])


def test_base003_another_disk_takes_a_copy():
    disk = Disk(target=Room("/srv/conda", 50, 2), cache=Room("/var/pkgs", 10_000, 1))
    ctx = situation([CUDART], [pkg("cudart", "12.4", size=100)], "cudart", base=True)
    found = only("BASE003", around(ctx, disk=disk))
    assert (found.status, found.evidence[0].where) == ("certain", "/srv/conda")


def test_sentences_are_single_lines_without_a_final_stop():
    shared = SharedFile("lib/libcudart.so.12", f"{BASE}/envs/other/lib/libcudart.so.12", f"{BASE}/envs/other", 2)
    editable = dist("tool", direct_url=DirectUrl("file:///srv/tool", editable=True))
    everything = [
        *fired("ENV001", moving(user_sites=(user_site("3.10", "rich"), user_site("3.11", "black")))),
        *fired("ENV002", moving(settings=(setting("PYTHONPATH", "lib/python3.10"),))),
        *fired("ENV003", library_change(setting("LD_LIBRARY_PATH", "lib", "libcudart.so.12"))),
        *fired("ENV004", moving(venv(), venv(interpreter=""), venv(interpreter="bin/python"), venv(broken=True))),
        *fired("ENV005", moving(reference(path="bin/python3.10"), reference("stack", ""), dists=[editable])),
        *fired("ENV006", around(situation([CUDART], [pkg("cudart", "12.4")], "c"), shared=lambda _record: (shared,))),
        *fired("BASE002", moving(processes=(RunningProcess(7, "", BASE, f"{BASE}/bin/x"),))),
    ]
    disk = Disk(target=Room("/a", 1, 1), cache=Room("/a", 1, 1))
    ctx = situation([CUDART], [pkg("cudart", "12.4", size=10_000_000)], "cudart", base=True)
    everything += fired("BASE003", around(ctx, disk=disk))
    ours = {rule.id for rule in RULES if rule.id.startswith("ENV")} | {"BASE002", "BASE003"}
    assert {found.rule for found in everything} == ours
    for found in everything:
        for text in (found.message, found.remedy, *(item.what for item in found.evidence)):
            assert text == text.strip()
            assert text
            assert "\n" not in text
            assert not text.endswith(".")
        assert found.evidence
