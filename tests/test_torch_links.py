"""Extensions really compiled and linked against a torch of sorts: bound to it, kept to its stable ABI, or neither."""

import importlib.util
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from planner.model.installed import PipDist, TorchLink
from planner.torch_links import torch_link
from tests.situations import PY, SITE, fired, only, situation, torch

COMPILER = shutil.which("g++") or shutil.which("c++")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="a C++ compiler makes the objects")

SOURCES = {
    "linked": 'namespace c10 { struct Error { Error(int); int x; }; }\nextern "C" int f() { return c10::Error(1).x; }',
    "const": 'namespace at { struct Tensor { int dim() const; }; }\nextern "C" int f(at::Tensor &t) { return t.dim(); }',
    "stable": 'extern "C" int aoti_torch_get_dim(void *, int *);\nextern "C" int f() { return aoti_torch_get_dim(0, 0); }',
    "none": 'extern "C" int f() { return 1; }',
}
TORCH = (
    "namespace c10 { struct Error { Error(int); int x; }; Error::Error(int y) : x(y) {} }\n"
    "namespace at { struct Tensor { int dim() const; }; int Tensor::dim() const { return 1; } }\n"
    'extern "C" int aoti_torch_get_dim(void *, int *) { return 0; }\n'
)


def shared(source, path, *more):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".cpp").write_text(source, encoding="utf-8")
    command = [COMPILER, "-shared", "-fPIC", "-o", str(path), str(path.with_suffix(".cpp")), *more]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    lib = folder / SITE / "torch/lib"
    shared(TORCH, lib / "libc10.so", "-Wl,-soname,libc10.so")
    for kind, source in SOURCES.items():
        shared(source, folder / SITE / f"{kind}_ext/_C.so", f"-L{lib}", "-Wl,--as-needed", "-lc10")
    shared(SOURCES["linked"], folder / SITE / "loose_ext/_C.so")  # torch has to be imported before it
    (folder / SITE / "broken_ext").mkdir()
    (folder / SITE / "broken_ext/_C.so").write_bytes(b"\x7fELF and no more")
    return folder


# Torch's own headers and libraries, where it is installed beside the tests (the extra `torch`): found, not imported.
REAL = importlib.util.find_spec("torch")


@pytest.mark.skipif(REAL is None, reason="torch is not installed beside the tests")
@pytest.mark.parametrize(
    ("kind", "source", "libraries"),
    [
        ("linked", '#include <c10/util/Exception.h>\nextern "C" void f(int n) { TORCH_CHECK(n > 0, "n"); }', ["c10"]),
        (
            "stable",
            (
                "#include <torch/csrc/inductor/aoti_torch/c/shim.h>\n"
                'extern "C" int f(AtenTensorHandle t) { int64_t n; return aoti_torch_get_dim(t, &n); }'
            ),
            ["torch_cpu", "c10"],
        ),
    ],
)
def test_against_the_real_torch(tmp_path, kind, source, libraries):
    torch_folder = Path(REAL.origin).parent
    path = tmp_path / SITE / f"{kind}_ext/_C.so"
    links = [f"-l{name}" for name in libraries]
    shared(source, path, "-std=c++20", f"-I{torch_folder / 'include'}", f"-L{torch_folder / 'lib'}", *links)
    found = torch_link(str(tmp_path), dist(kind))
    assert found.kind == kind
    assert found.libraries


def dist(*kinds, **more):
    extensions = tuple(f"{kind}_ext/_C.so" for kind in kinds)
    name = f"{kinds[0]}-ext"
    return PipDist(
        name, "1.0", name, SITE, f"{SITE}/{name}-1.0.dist-info", python="3.10", extensions=extensions, **more
    )


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("linked",), TorchLink("linked", f"{SITE}/linked_ext/_C.so", ("libc10.so",), "_ZN3c105ErrorC1Ei")),
        (("const",), TorchLink("linked", f"{SITE}/const_ext/_C.so", ("libc10.so",), "_ZNK2at6Tensor3dimEv")),
        (("loose",), TorchLink("linked", f"{SITE}/loose_ext/_C.so", (), "_ZN3c105ErrorC1Ei")),
        (("stable",), TorchLink("stable", f"{SITE}/stable_ext/_C.so", ("libc10.so",), "aoti_torch_get_dim")),
        (("none",), TorchLink("none")),
        (
            ("none", "stable", "linked"),
            TorchLink("linked", f"{SITE}/linked_ext/_C.so", ("libc10.so",), "_ZN3c105ErrorC1Ei"),
        ),
        (("none", "broken"), None),
        (("none", "absent"), None),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_the_tie_to_torch_is_in_the_objects(prefix, kinds, expected):
    assert torch_link(str(prefix), dist(*kinds)) == expected


def judged(prefix, item, before="2.3.1", after="2.4.1"):
    ctx = situation([PY, torch(before)], [PY, torch(after)] if after else [PY], dists=[item])
    return replace(ctx, torch_link=partial(torch_link, str(prefix)))


def test_abi007_what_is_linked_is_certain_even_if_its_metadata_is_silent(prefix):
    found = only("ABI007", judged(prefix, dist("linked")))
    assert (found.status, found.severity.value) == ("certain", "block")
    assert found.message == (
        "linked-ext 1.0 (pip) is linked to torch (libc10.so), and torch would be 2.4.1 instead of 2.3.1"
    )
    assert found.evidence[0].what == "needs libc10.so and leaves _ZN3c105ErrorC1Ei undefined"


@pytest.mark.parametrize("kind", ["stable", "none"])
def test_abi007_the_stable_abi_and_code_without_torch_survive(prefix, kind):
    assert fired("ABI007", judged(prefix, dist(kind, requires_dist=("torch>=2.10",)))) == []


def test_abi007_the_stable_abi_needs_a_torch_too(prefix):
    item = dist("stable", requires_dist=("torch",))
    assert only("ABI007", judged(prefix, item, after=None)).status == "certain"
    assert fired("ABI007", judged(prefix, dist("none", requires_dist=("torch",)), after=None)) == []


def test_abi007_a_patch_of_torch_and_objects_that_cannot_be_read(prefix):
    assert fired("ABI007", judged(prefix, dist("linked"), after="2.3.2")) == []
    assert fired("ABI007", judged(prefix, dist("broken"))) == []
    assert only("ABI007", judged(prefix, dist("broken", requires_dist=("torch",)))).status == "unverified"
