import textwrap

import pytest

from planner.errors import InputError
from planner.graph import build_graph, find_subjects, why
from planner.model.installed import Environment, History, Host, LoadProblem, PackageRecord, PipDist, VirtualPackage
from planner.render.why import render_why

SITE = "lib/python3.10/site-packages"
GLIBC = Host("linux-64", (VirtualPackage("__glibc", "2.36"),))


def package(name, version="1.0", build="0", depends=(), constrains=()):
    return PackageRecord(name, version, build, subdir="linux-64", depends=tuple(depends), constrains=tuple(constrains))


def dist(name, version="1.0", requires=(), **more):
    return PipDist(
        name=name.lower(),
        version=version,
        display_name=name,
        location=SITE,
        metadata_path=f"{SITE}/{name}-{version}.dist-info",
        python="3.10",
        requires_dist=tuple(requires),
        **more,
    )


def environment(*items, requested=(), problems=(), subdir="linux-64"):
    return Environment(
        name="base",
        prefix="/opt/conda",
        subdir=subdir,
        records=tuple(sorted((item for item in items if isinstance(item, PackageRecord)), key=lambda item: item.name)),
        dists=tuple(sorted((item for item in items if isinstance(item, PipDist)), key=lambda item: item.name)),
        history=History(tuple((name, name) for name in requested)),
        problems=problems,
    )


PYTHON = package("python", "3.10.14", "h955ad1f_1_cpython")


def edges(graph, consumer=None):
    return {
        (source, target, kind, data["requirement"], data["satisfied"])
        for source, target, kind, data in graph.edges(keys=True, data=True)
        if consumer in {None, source}
    }


def built(*items, host=None):
    return build_graph(environment(*items), host)


# --------------------------------------------------------------------------------------------------------------------
# Nodes and edges


def test_nodes_say_what_they_are():
    graph = build_graph(environment(PYTHON, dist("Flask", "2.0"), requested=["python"]), GLIBC)
    assert dict(graph.nodes(data=True)) == {
        "conda:python": {
            "label": "python 3.10.14 h955ad1f_1_cpython",
            "version": "3.10.14",
            "requested": True,
            "missing": False,
        },
        "pip:flask": {"label": "Flask 2.0 (pip)", "version": "2.0", "requested": False, "missing": False},
        "host:__glibc": {"label": "__glibc 2.36 (host)", "version": "2.36", "requested": False, "missing": False},
    }


@pytest.mark.parametrize(
    ("spec", "satisfied"),
    [("zlib", True), ("zlib >=1.2", True), ("zlib >=2", False), ("zlib 1.2.* h*", True), ("c::zlib 1.2.13", True)],
)
def test_depends(spec, satisfied):
    graph = built(package("zlib", "1.2.13", "h1"), package("a", depends=[spec]))
    assert edges(graph) == {("conda:a", "conda:zlib", "depends", spec, satisfied)}


def test_a_dependency_that_is_not_there():
    graph = built(package("a", depends=["gone >=1"]))
    assert edges(graph) == {("conda:a", "conda:gone", "depends", "gone >=1", False)}
    assert graph.nodes["conda:gone"] == {
        "label": "gone (not on record)",
        "version": None,
        "requested": False,
        "missing": True,
    }


def test_several_requirements_on_one_package_are_one_edge():
    record = package("pandas", depends=["numpy >=1.19,<3", "numpy >=1.22.4", "numpy >=1.22.4"])
    graph = built(package("numpy", "1.20.0"), record)
    requirement = "numpy >=1.19,<3; numpy >=1.22.4"
    assert edges(graph) == {("conda:pandas", "conda:numpy", "depends", requirement, False)}


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("python >=3.10,<3.11.0a0", "python_abi"),
        ("python 3.10.*", "python_abi"),
        ("python_abi 3.10.* *_cp310", "python_abi"),
        ("python >=3.9", "depends"),
        ("python", "depends"),
        ("python >=3.9,<4", "depends"),
    ],
)
def test_what_binds_a_package_to_one_python(spec, kind):
    graph = built(PYTHON, package("python_abi", "3.10", "5_cp310"), package("a", depends=[spec]))
    assert edges(graph) == {("conda:a", f"conda:{spec.split()[0]}", kind, spec, True)}


def test_constraints_are_on_what_is_installed():
    graph = built(package("a", constrains=["b <2", "gone <1", "__glibc >=2.17"]), package("b", "2.0"), host=GLIBC)
    assert edges(graph) == {
        ("conda:a", "conda:b", "constrains", "b <2", False),
        ("conda:a", "host:__glibc", "constrains", "__glibc >=2.17", True),
    }
    assert "conda:gone" not in graph


@pytest.mark.parametrize(
    ("host", "satisfied", "node"),
    [
        (GLIBC, True, {"label": "__glibc 2.36 (host)", "version": "2.36", "missing": False}),
        (Host("linux-64", (VirtualPackage("__glibc", "2.5"),)), False, {"version": "2.5", "missing": False}),
        (Host("linux-64"), False, {"label": "__glibc (not on record)", "version": None, "missing": True}),
        (None, None, {"label": "__glibc (host)", "version": None, "missing": False}),
    ],
)
def test_facts_of_the_host(host, satisfied, node):
    graph = built(package("a", depends=["__glibc >=2.17,<3.0.a0"]), host=host)
    assert edges(graph) == {("conda:a", "host:__glibc", "virtual", "__glibc >=2.17,<3.0.a0", satisfied)}
    assert node.items() <= graph.nodes["host:__glibc"].items()


def test_names_in_another_case_are_the_same_package():
    graph = built(package("MyPkg"), package("a", depends=["mypkg"], constrains=["MYPKG <9"]))
    assert edges(graph) == {
        ("conda:a", "conda:MyPkg", "depends", "mypkg", True),
        ("conda:a", "conda:MyPkg", "constrains", "MYPKG <9", True),
    }


# --------------------------------------------------------------------------------------------------------------------
# The pip layer


def test_pip_requires_pip_and_conda():
    graph = built(
        PYTHON,
        package("numpy-base", "1.24.3"),
        dist("numpy", "1.24.3", owner="numpy-base"),
        dist("scipy", "1.10", ["numpy<1.27,>=1.19.5", "Py.Test>=8 ; extra == 'test'", "gone"]),
        dist("seaborn", "0.12", ["SciPy >=2", "numpy"]),
    )
    assert edges(graph) == {
        ("pip:scipy", "conda:numpy-base", "pip_requires", "numpy<1.27,>=1.19.5", True),
        ("pip:scipy", "pip:gone", "pip_requires", "gone", False),
        ("pip:seaborn", "pip:scipy", "pip_requires", "SciPy>=2", False),
        ("pip:seaborn", "conda:numpy-base", "pip_requires", "numpy", True),
    }
    assert graph.nodes["pip:gone"]["missing"] is True


def test_a_conda_package_of_that_name_without_python_metadata_may_provide_it():
    graph = built(package("Ruamel_Yaml", "0.15"), dist("a", requires=["ruamel.yaml>=0.15"]))
    assert edges(graph) == {("pip:a", "conda:Ruamel_Yaml", "pip_requires", "ruamel.yaml>=0.15", None)}


def test_of_what_conda_owns_only_needs_that_pip_alone_meets_are_told():
    graph = built(
        package("app"),
        package("numpy"),
        dist("app", requires=["numpy", "click>=8", "gone"], owner="app"),
        dist("numpy", owner="numpy"),
        dist("click", "8.1"),
    )
    assert edges(graph) == {("conda:app", "pip:click", "pip_requires", "click>=8", True)}


@pytest.mark.parametrize(
    ("marker", "subdir", "applies"),
    [
        ("python_version < '3.11'", "linux-64", True),
        ("python_version < '3.10'", "linux-64", False),
        ("python_full_version >= '3.10.14'", "linux-64", True),
        ("sys_platform == 'win32'", "linux-64", False),
        ("sys_platform == 'win32' and platform_machine == 'AMD64'", "win-64", True),
        ("platform_system == 'Darwin' and platform_machine == 'arm64'", "osx-arm64", True),
        ("platform_machine == 'x86_64' and os_name == 'posix'", "linux-64", True),
        ("implementation_name == 'cpython'", "linux-64", True),
        ("extra == 'x'", "linux-64", False),
    ],
)
def test_markers_are_read_for_the_environment(marker, subdir, applies):
    items = (PYTHON, dist("a", requires=[f"b; {marker}"]), dist("b"))
    graph = build_graph(environment(*items, subdir=subdir))
    assert (("pip:a", "pip:b", "pip_requires", "b", True) in edges(graph)) is applies


def test_requirements_that_cannot_be_read_or_compared():
    graph = built(dist("a", requires=["!!!", "b>=1", "c @ https://host/c.whl"]), dist("b", "2004d"), dist("c", "weird"))
    assert edges(graph) == {
        ("pip:a", "pip:b", "pip_requires", "b>=1", None),
        ("pip:a", "pip:c", "pip_requires", "c", None),
    }


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"requires_python": ">=3.8"}, {("pip_requires", "python>=3.8", True)}),
        ({"requires_python": "<3.10"}, {("pip_requires", "python<3.10", False)}),
        ({"requires_python": "nonsense"}, {("pip_requires", "pythonnonsense", None)}),
        ({"tags": ("cp310-cp310-linux_x86_64",), "extensions": ("a.so",)}, {("python_abi", "cp310", True)}),
        ({"tags": ("cp39-cp39-linux_x86_64",), "extensions": ("a.so",)}, {("python_abi", "cp39", False)}),
        ({"tags": ("cp38-none-win_amd64",), "extensions": ("a.cp38-win_amd64.pyd",)}, {("python_abi", "cp38", False)}),
        ({"tags": ("cp35-abi3-linux_x86_64",), "extensions": ("a.abi3.so",)}, {("python_abi", "cp35-abi3", True)}),
        ({"tags": ("cp311-abi3-linux_x86_64",), "extensions": ("a.abi3.so",)}, {("python_abi", "cp311-abi3", False)}),
        ({"tags": ("py3-none-linux_x86_64",), "extensions": ("liba.so",)}, set()),
        ({"extensions": ("a.cpython-37m-x86_64-linux-gnu.so",)}, {("python_abi", "cp37", False)}),
        ({"tags": ("py3-none-any",)}, set()),
    ],
)
def test_what_binds_a_distribution_to_python(more, expected):
    graph = built(PYTHON, dist("a", **more))
    assert edges(graph) == {("pip:a", "conda:python", *edge) for edge in expected}


def test_without_a_python_nothing_about_it_is_known():
    graph = built(dist("a", requires_python=">=3", tags=("cp39-cp39-x",), extensions=("a.so",)))
    assert {satisfied for *_, satisfied in edges(graph)} == {None}


def test_of_two_copies_the_one_that_python_sees_is_meant():
    stale = PipDist("a", "1", "a", "lib/python3.9/site-packages", "lib/python3.9/site-packages/a-1.dist-info", "3.9")
    seen = dist("a", "2")
    assert built(PYTHON, stale, seen).nodes["pip:a"]["version"] == "2"
    assert built(PYTHON, seen, stale).nodes["pip:a"]["version"] == "2"


# --------------------------------------------------------------------------------------------------------------------
# Why


def outline(node):
    return {child.subject: outline(child) for child in node.children}


CHAIN = environment(
    package("app", depends=["lib", "tool"]),
    package("tool", depends=["lib >=1"]),
    package("lib", "1.5", "h_0", depends=["base <2"]),
    package("base", "1.0"),
    package("rival", constrains=["lib <1"]),
    requested=["app"],
)


def test_who_needs_it():
    root = why(build_graph(CHAIN), "lib", "needed_by")
    assert (root.subject, root.label, root.requested) == ("conda:lib", "lib 1.5 h_0", False)
    assert outline(root) == {"conda:app": {}, "conda:tool": {"conda:app": {}}, "conda:rival": {}}
    app, tool, rival = root.children
    assert (app.requested, app.repeated, app.kind, app.requirement, app.satisfied) == (
        True,
        False,
        "depends",
        "lib",
        True,
    )
    # app is spelt out at the top; below tool there would be nothing more to say of it.
    assert tool.children[0].repeated is False
    assert (rival.kind, rival.requirement, rival.satisfied) == ("constrains", "lib <1", False)


def test_what_it_needs():
    root = why(build_graph(CHAIN), "app", "needs")
    assert outline(root) == {"conda:lib": {"conda:base": {}}, "conda:tool": {"conda:lib": {}}}
    lib, tool = root.children
    assert lib.repeated is False
    assert tool.children[0].repeated is True


def test_constraints_are_told_of_the_root_alone():
    graph = build_graph(CHAIN)
    assert outline(why(graph, "base", "needed_by")) == {"conda:lib": {"conda:app": {}, "conda:tool": {"conda:app": {}}}}
    assert outline(why(graph, "rival", "needs")) == {"conda:lib": {}}


def test_circles_end():
    graph = built(package("pip", depends=["python"]), package("python", "3.10", depends=["pip"]))
    root = why(graph, "pip", "needs")
    assert outline(root) == {"conda:python": {"conda:pip": {}}}
    assert root.children[0].children[0].repeated is True


def test_a_chain_longer_than_pythons_stack():
    records = [package(f"p{number}", depends=[f"p{number + 1}"]) for number in range(3000)]
    graph = built(*records, package("p3000"))
    node, length = why(graph, "p0", "needs"), 0
    while node.children:
        node, length = node.children[0], length + 1
    assert length == 3000
    assert "p3000" in render_why(graph, "p3000")


def test_names_mean_every_kind_of_subject():
    graph = build_graph(environment(package("numpy"), dist("numpy"), dist("my-pkg")), GLIBC)
    assert find_subjects(graph, "NumPy") == ("conda:numpy", "pip:numpy")
    assert find_subjects(graph, "pip:numpy") == ("pip:numpy",)
    assert find_subjects(graph, "my_pkg") == ("pip:my-pkg",)
    assert find_subjects(graph, "__glibc") == ("host:__glibc",)
    missed = built(package("a", depends=["b"]), dist("b"))
    assert find_subjects(missed, "b") == ("pip:b", "conda:b")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nupmy", "nothing in environment base is called 'nupmy'; is it numpy?"),
        ("conda:nupmy", "nothing in environment base is called 'conda:nupmy'; is it numpy?"),
        ("zzz", "nothing in environment base is called 'zzz'"),
        ("", "nothing in environment base is called ''"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(InputError) as caught:
        why(built(package("numpy"), package("scipy")), name, "needs")
    assert str(caught.value) == message


def test_the_rendered_trees():
    problem = LoadProblem("/opt/conda/conda-meta/x.json", "it is empty", "the package x is left out")
    graph = build_graph(
        environment(
            *CHAIN.records,
            dist("Plot", requires=["lib>=1", "gone"]),
            dist("lib", "1.5", owner="lib"),
            requested=["app", "lib"],
            problems=(problem,),
        )
    )
    assert render_why(graph, "lib") == textwrap.dedent(
        """\
        lib 1.5 h_0, asked for

          needed by
          ├─ app 1.0 0, asked for [depends: lib]
          ├─ tool 1.0 0 [depends: lib >=1]
          │  └─ app 1.0 0, asked for [depends: tool]
          ├─ Plot 1.0 (pip) [pip requires: lib>=1]
          └─ rival 1.0 0 [constrains: lib <1; NOT MET]

          needs
          └─ base 1.0 0 [depends: base <2]

        ! /opt/conda/conda-meta/x.json: it is empty; the package x is left out
        """
    )
    assert render_why(graph, "gone") == textwrap.dedent(
        """\
        gone (not on record)

          needed by
          └─ Plot 1.0 (pip) [pip requires: gone; NOT MET]

          needs
          └─ nothing on record

        ! /opt/conda/conda-meta/x.json: it is empty; the package x is left out
        """
    )


def test_what_is_spelt_out_elsewhere_is_marked():
    text = render_why(build_graph(CHAIN), "app")
    assert "  │  └─" not in text.split("needs")[0]
    assert "└─ lib 1.5 h_0 [depends: lib >=1] *\n" in text
    assert text.count("  * spelt out elsewhere in this tree\n") == 1


def test_rendered_text_is_harmless_and_fits():
    evil = dist("a", "1\x1b[31m\n2", requires=["b" * 50 + ">=1"])
    text = render_why(built(evil, dist("b" * 50), package("c", depends=["d " + ">=1," * 60 + "<2"])), "a")
    assert "\x1b" not in text
    assert "a 1\\x1b[31m\\n2 (pip)" in text
    wide = render_why(built(package("c", depends=["d >=1,<2.0.0a0 abcdefg_*", *(f"e{n}" for n in range(9))])), "c")
    assert max(map(len, (text + wide).splitlines())) <= 80


@pytest.mark.parametrize(
    ("prefix", "package_name", "needed_by", "missing"),
    [
        (
            "linux-base-py39",
            "pip:numpy",
            {"pip:bokeh", "pip:matplotlib", "pip:numba", "pip:pandas", "pip:scipy", "pip:seaborn"},
            set(),
        ),
        ("linux-base-py39/envs/py37", "cffi", {"pip:argon2-cffi"}, set()),
        (
            "linux-torch251-cu121",
            "pytorch",
            {"conda:torchaudio", "conda:torchtriton", "conda:torchvision"},
            set(),
        ),
        # These records are not in the data.
        ("win-base-py310", "conda", set(), {"conda:certifi", "conda:requests", "conda:tqdm"}),
        ("win-torch1131", "pytorch", {"conda:torchvision"}, {"conda:pytorch"}),
    ],
)
def test_the_real_installations(real_data, prefix, package_name, needed_by, missing):
    from planner.load import load_environment

    graph = build_graph(load_environment("x", str(real_data / "installations" / prefix)), None)
    assert {child.subject for child in why(graph, package_name, "needed_by").children} == needed_by
    assert {target for _, target, _, _, satisfied in edges(graph) if satisfied is False} == missing
    assert {subject for subject, data in graph.nodes(data=True) if data["missing"]} == missing
