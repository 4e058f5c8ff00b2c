"""The bundled installation: complete in itself, small, and what the product says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.demo import unpack
from planner.model.plan import Verdict
from planner.run import Question, what_if
from planner.versions import matches
from rules import RULES
from tests.scenario import told

ROOT = Path(__file__).parents[1]
COMPILED = {"numpy", "pandas", "psutil", "pyyaml", "regex", "safetensors", "tokenizers"}
PURE = {
    "filelock",
    "fsspec",
    "huggingface-hub",
    "python-dateutil",
    "pytz",
    "six",
    "transformers",
    "typing-extensions",
    "tzdata",
}


def question(demo, folder, **changes):
    given = {
        "env": demo.env,
        "specs": demo.specs,
        "root": demo.root,
        "channels": demo.channels,
        "override_channels": True,
        "mirrors": demo.mirrors,
        "offline": True,
        "subdir": demo.subdir,
        "cuda": demo.cuda,
        "driver": demo.driver,
        "glibc": demo.glibc,
        "environ": {},
        "home": demo.home,
        "cache_dir": str(folder / "cache"),
        "created": "2026-01-01T00:00:00Z",
    }
    return Question(**{**given, **changes})


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return unpack(str(tmp_path_factory.mktemp("demo")))


@pytest.fixture(scope="module")
def base_plan(demo, tmp_path_factory):
    return what_if(question(demo, tmp_path_factory.mktemp("cache")), RULES)


@pytest.fixture(scope="module")
def torch_plan(demo, tmp_path_factory):
    return what_if(question(demo, tmp_path_factory.mktemp("cache"), env="pytorch-env"), RULES)


def test_its_source_is_small_text():
    files = sorted((ROOT / "fixtures" / "demo").iterdir())
    assert [path.name for path in files] == ["README.md", "dists.jsonl", "installation.json", "records.jsonl"]
    assert sum(path.stat().st_size for path in files) < 300_000


@pytest.mark.parametrize(("name", "number"), [(".", 78), ("envs/pytorch-env", 171)])
def test_what_is_installed_fits_together(demo, name, number):
    """Each requirement of each installed record is met by another, virtual packages aside."""
    from planner.model.installed import PackageRecord

    documents = [json.loads(path.read_text()) for path in (Path(demo.root) / name / "conda-meta").glob("*.json")]
    assert len(documents) == number
    records = {
        document["name"]: PackageRecord(
            document["name"], document["version"], document["build"], document["build_number"]
        )
        for document in documents
    }
    unmet = [
        (document["name"], spec)
        for document in documents
        for spec in document["depends"]
        if not spec.startswith("__") and not (spec.split()[0] in records and matches(spec, records[spec.split()[0]]))
    ]
    assert unmet == []


def test_what_is_installed_is_still_published(demo):
    """A demo whose channel lacks what it holds would ask about itself and not about the change."""
    published = {
        name
        for _, place in demo.mirrors
        for path in Path(place).rglob("repodata.json")
        for table in ("packages", "packages.conda")
        for name in json.loads(path.read_text())[table]
    }
    installed = {json.loads(path.read_text())["fn"] for path in Path(demo.root).rglob("conda-meta/*.json")}
    assert installed <= published


def test_base_keeps_conda_and_loses_what_pip_installed(base_plan):
    assert base_plan.outcome == "change"
    assert base_plan.verdict is Verdict.UNSAFE
    assert base_plan.recommendation == "migrate"
    assert base_plan.target.python == "3.10.14"
    assert {finding.rule for finding in base_plan.findings} == {"PIP001"}
    weighed = {(finding.subject.removeprefix("pip:"), finding.severity.value) for finding in base_plan.findings}
    assert weighed == {(name, "block") for name in COMPILED} | {(name, "warn") for name in PURE}
    assert {finding.status for finding in base_plan.findings} == {"certain"}


def test_base_changes_as_the_channel_has_it(base_plan):
    moved = [told(change) for change in base_plan.changes if change.action != "relink"]
    assert moved == [
        "brotli-python 1.1.0 py310hc6cd4ac_1 -> py311hb755f60_1",
        "cffi 1.16.0 py310h2fee648_0 -> py311hb3a22ac_0",
        "conda 24.3.0 py310hff52083_0 -> py311h38be061_0",
        "jsonpointer 2.4 py310hff52083_3 -> py311h38be061_3",
        "+ libexpat 2.6.2",
        "libmambapy 1.5.8 py310h39ff949_0 -> py311hf2555c7_0",
        "libsqlite 3.45.2 -> 3.45.3",
        "mamba 1.5.8 py310h51d5547_0 -> py311h3072747_0",
        "menuinst 2.0.2 py310hff52083_0 -> py311h38be061_0",
        "pycosat 0.6.6 py310h2372a71_0 -> py311h459d7ec_0",
        "python 3.10.14 -> 3.11.9",
        "python_abi 3.10 -> 3.11",
        "ruamel.yaml 0.18.6 py310h2372a71_0 -> py311h459d7ec_0",
        "ruamel.yaml.clib 0.2.8 py310h2372a71_0 -> py311h459d7ec_0",
        "zstandard 0.22.0 py310h1275a96_0 -> py311haa97af0_0",
    ]


def test_pytorch_env_is_untouched_and_why(base_plan):
    row = next(row for row in base_plan.environments if row.name == "pytorch-env")
    assert (row.affected, row.readable, row.via) == (False, True, ())
    assert any("own interpreter: python 3.10.14" in line for line in row.evidence)


def test_the_plan_is_a_new_environment_that_ends_with_the_gpu(base_plan):
    assert base_plan.migration is not None
    assert base_plan.migration.steps[-1].kind == "verify-gpu"
    artifacts = dict(base_plan.migration.artifacts)
    for name in COMPILED | PURE:
        assert name in artifacts["requirements.txt"].lower()
    # conda had brought these for itself, and pip's transformers and huggingface-hub need them
    for name in ("packaging", "requests", "tqdm"):
        assert f"noarch/{name}-" in artifacts["explicit.txt"]
    assert "not met in the new environment" not in artifacts["environment.yml"]


def test_the_gpu_stays_when_pytorch_env_itself_moves(torch_plan):
    assert torch_plan.outcome == "change"
    after = {record.name: record.build for record in torch_plan.final_state}
    assert after["pytorch"] == "py3.11_cuda12.1_cudnn8.9.2_0"
    assert after["torchvision"] == "py311_cu121"
    assert {finding.rule for finding in torch_plan.findings} == {"PIP001"}
    assert next(row for row in torch_plan.environments if row.name == "base").affected is False
    assert torch_plan.migration is not None
    kept = dict(torch_plan.migration.artifacts)["explicit.txt"]
    assert "pytorch-2.1.0-py3.11_cuda12.1_cudnn8.9.2_0" in kept
    assert torch_plan.migration.steps[-1].kind == "verify-gpu"
