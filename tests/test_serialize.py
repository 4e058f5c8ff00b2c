"""The plan document: written, read back, refused where it is wrong."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from planner.errors import InputError
from planner.model.installed import PackageRecord
from planner.model.plan import Finding, Migration, Severity, Verdict
from planner.serialize import digest, dumps, load_plan, plan_from_dict, plan_to_dict
from tests.sample_plans import ALL, MIGRATION, SAFE, UNSAFE, UNSOLVABLE

KEYS = {
    "format",
    "schema_version",
    "planner_version",
    "created",
    "fingerprint",
    "root",
    "target",
    "request",
    "host",
    "solver",
    "outcome",
    "changes",
    "final_state",
    "edges",
    "findings",
    "environments",
    "verdict",
    "recommendation",
    "alternatives",
    "migration",
}


@pytest.mark.parametrize("name", ALL)
def test_document_read_back_is_the_same_document(name):
    document = plan_to_dict(ALL[name])
    assert plan_to_dict(plan_from_dict(document)) == document
    assert json.loads(dumps(ALL[name])) == document


def test_keys_are_those_of_the_contract():
    assert set(plan_to_dict(SAFE)) == KEYS
    assert set(plan_to_dict(UNSOLVABLE)) == KEYS | {"explanation"}


def test_model_fields_beyond_the_contract_are_not_written():
    document = plan_to_dict(UNSAFE)
    record = document["changes"][0]["before"]
    assert list(record) == [
        "name",
        "version",
        "build",
        "build_number",
        "channel",
        "subdir",
        "url",
        "sha256",
        "md5",
    ]
    assert document["request"]["as"] == "mamba"
    assert document["host"]["virtual_packages"] == {"__cuda": "12.4", "__glibc": "2.36", "__unix": "0"}
    assert document["findings"][0]["edges"] == ["E1"]
    assert document["migration"]["artifacts"]["environment.yml"] == "name: base-py310\n"


def test_what_is_missing_is_null():
    record = plan_to_dict(SAFE)["final_state"][0]
    assert record == {
        "name": "bare",
        "version": "1",
        "build": "0",
        "build_number": 0,
        "channel": None,
        "subdir": None,
        "url": None,
        "sha256": None,
        "md5": None,
    }


def test_changes_and_final_state_are_sorted_by_name():
    backwards = replace(UNSAFE, changes=UNSAFE.changes[::-1], final_state=SAFE.final_state[::-1])
    assert dumps(backwards) == dumps(UNSAFE)
    assert [item["name"] for item in plan_to_dict(backwards)["changes"]] == ["conda", "pip", "python", "six"]


def test_text_is_sorted_and_ends_in_one_line_feed():
    text = dumps(SAFE)
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def test_lone_surrogates_and_control_characters_survive_as_escapes():
    odd = "caf\udce9 \x1b[31m \x9b \u202e ü"
    text = dumps(replace(SAFE, root=odd))
    assert text.encode("utf-8")
    assert "ü" in text
    assert not any(char in text for char in "\udce9\x1b\x9b\u202e")
    assert json.loads(text)["root"] == odd


def change_at(*path_and_value):
    *path, value = path_and_value

    def change(document):
        place = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


def drop_at(*path):
    def change(document):
        place = document
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]

    return change


def reverse_steps(document):
    document["migration"]["steps"].reverse()


WRONG = {
    "enum": (
        change_at("findings", 3, "severity", "blok"),
        "findings[3].severity: 'blok' is not one of block, warn, note",
    ),
    "literal": (
        change_at("host", "source", 1),
        "host.source: 1 is not one of detected, given, assumed",
    ),
    "text": (change_at("target", "name", None), "target.name: None is not text"),
    "number": (
        change_at(*("target", "packages", True)),
        "target.packages: True is not a whole number from 0 up",
    ),
    "negative": (
        change_at("migration", "download_bytes", -1),
        "migration.download_bytes: -1 is not a whole number from 0 up",
    ),
    "bool": (change_at("changes", 0, "requested", 1), "changes[0].requested: 1 is not true or false"),
    "list": (change_at("request", "specs", "python"), "request.specs: 'python' is not a list"),
    "object": (change_at("solver", []), "solver: [] is not an object"),
    "argv": (
        change_at("migration", "steps", 0, "commands", 0, 1, 7),
        "migration.steps[0].commands[0][1]: 7 is not text",
    ),
    "artifact": (
        change_at("migration", "artifacts", "explicit.txt", None),
        "migration.artifacts.explicit.txt: None is not text",
    ),
    "virtual": (change_at("host", "virtual_packages", []), "host.virtual_packages: [] is not an object"),
    "unknown": (change_at("findings", 0, "sevrity", "x"), "findings[0]: the key 'sevrity' is not known"),
    "unknown at top": (change_at("extra", 1), "the key 'extra' is not known"),
    "missing": (drop_at("edges", 0, "status"), "edges[0]: the key 'status' is missing"),
    "missing at top": (drop_at("verdict"), "the key 'verdict' is missing"),
    "subject": (
        change_at("findings", 0, "subject", "numpy"),
        "findings[0].subject: 'numpy' is not a subject (conda:, pip:, file:, env: or host: and a name)",
    ),
    "rule": (change_at("findings", 0, "rule", "abi1"), "findings[0].rule: 'abi1' is not a rule's id"),
    "digest": (
        change_at("fingerprint", "host", "md5:1"),
        "fingerprint.host: 'md5:1' is not a digest (sha256:...)",
    ),
    "empty for null": (
        change_at("final_state", 0, "url", ""),
        "final_state[0].url: what is not known is null, not an empty text",
    ),
    "edge": (change_at("findings", 0, "edges", ["E9"]), "findings[0].edges[0]: there is no edge 'E9'"),
    "via": (change_at("environments", 0, "via", 1, "F999"), "environments[0].via[1]: there is no finding 'F999'"),
    "twice": (change_at("findings", 1, "id", "F1"), "findings[1].id: 'F1' is empty or stands twice"),
    "last step": (
        change_at("migration", "steps", 2, "kind", "verify"),
        "migration.steps: the last step's kind must be verify-gpu",
    ),
    "no step": (change_at("migration", "steps", []), "migration.steps: the last step's kind must be verify-gpu"),
    "order of steps": (
        reverse_steps,
        "migration.steps: the last step's kind must be verify-gpu",
    ),
    "explanation": (change_at("explanation", "x"), "explanation: only an unsolvable plan has one"),
    "no explanation": (
        change_at("outcome", "unsolvable"),
        "explanation: an unsolvable plan must have one, as text",
    ),
    "version": (
        change_at("schema_version", 2),
        "schema_version 2 cannot be read here (planner '0.1.0' wrote it): this planner reads version 1",
    ),
    "true version": (
        change_at(*("schema_version", True)),
        "schema_version True cannot be read here (planner '0.1.0' wrote it): this planner reads version 1",
    ),
    "format": (
        change_at("format", "x"),
        "not a plan: its format is 'x', expected 'conda-upgrade-plan'",
    ),
    "no format": (drop_at("format"), "not a plan: no format, expected 'conda-upgrade-plan'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_refused_with_their_path(name):
    change, message = WRONG[name]
    document = copy.deepcopy(plan_to_dict(UNSAFE))
    change(document)
    with pytest.raises(InputError) as caught:
        plan_from_dict(document)
    assert str(caught.value) == message


@pytest.mark.parametrize("data", [None, [], "plan", 3])
def test_what_is_no_object_is_no_plan(data):
    with pytest.raises(InputError, match=r"^not a plan: no format"):
        plan_from_dict(data)


def test_an_unsolvable_plan_is_written_without_edges_and_what_refers_to_them():
    document = plan_to_dict(replace(UNSOLVABLE, edges=UNSAFE.edges, findings=UNSAFE.findings[:1], environments=()))
    assert document["edges"] == []
    assert document["findings"][0]["edges"] == []
    assert plan_to_dict(plan_from_dict(document)) == document


def test_an_unsolvable_plan_has_no_changes():
    document = plan_to_dict(UNSOLVABLE)
    document["changes"] = plan_to_dict(UNSAFE)["changes"]
    with pytest.raises(InputError) as caught:
        plan_from_dict(document)
    assert str(caught.value) == "changes: must be empty when the outcome is unsolvable"


def test_values_from_outside_stay_short_and_harmless_in_messages():
    document = plan_to_dict(SAFE)
    document["verdict"] = "\x1b[31m" + "x" * 10_000
    with pytest.raises(InputError) as caught:
        plan_from_dict(document)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 150


def test_saved_plan_is_loaded(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(dumps(UNSAFE), encoding="utf-8")
    assert plan_to_dict(load_plan(path)) == plan_to_dict(UNSAFE)


def test_a_plan_saved_by_a_windows_shell_is_loaded(tmp_path):
    path = tmp_path / "plan.json"
    path.write_bytes(dumps(UNSAFE).encode("utf-16"))
    assert plan_to_dict(load_plan(path)) == plan_to_dict(UNSAFE)


def test_files_that_are_no_plan_are_refused_by_name(tmp_path):
    whole = dumps(UNSAFE).encode()
    bad = {
        "empty.json": (b"", "it is empty or was cut short"),
        "cut.json": (whole[: len(whole) // 2], "it is empty or was cut short"),
        "cut-in-text.json": (whole[: whole.index(b"conda-upgrade-plan") + 5], "it is empty or was cut short"),
        "prose.json": (b"This is no JSON", "it is not JSON: Expecting value at line 1, column 1"),
        "bytes.json": (b'{"a": "\xff\xfe"}', "it is not JSON: its bytes are no Unicode text"),
        "twice.json": (b'{"a": 1, "a": 2}', "it cannot be used: the key 'a' stands twice in one object"),
        "nan.json": (b'{"a": NaN}', "it cannot be used: NaN is not JSON"),
        "deep.json": (b"[" * 200_000, "it is no plan: its values are nested too deeply"),
        "other.json": (b"{}", "not a plan: no format, expected 'conda-upgrade-plan'"),
    }
    for name, (content, message) in bad.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            load_plan(path)
        assert str(caught.value).startswith(f"{path}: {message}"), name
    with pytest.raises(InputError, match=r"absent\.json: there is no such file; .*--save"):
        load_plan(tmp_path / "absent.json")
    with pytest.raises(InputError, match=r"cannot be read"):
        load_plan(tmp_path)
    with pytest.raises(InputError, match=r"cannot be read"):
        load_plan("a\0b")


def test_path_stands_before_the_key_path(tmp_path):
    document = plan_to_dict(UNSAFE)
    document["findings"][3]["severity"] = "blok"
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_plan(path)
    assert str(caught.value) == f"{path}: findings[3].severity: 'blok' is not one of block, warn, note"


def test_digest_is_of_the_value_not_of_its_order():
    assert digest({"a": [1, "ü"], "b": None}) == digest({"b": None, "a": [1, "ü"]})
    assert digest({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert digest(["a", "b"]) != digest(["ab"])
    assert digest("\udce9").startswith("sha256:")


TEXT = st.text(max_size=30) | st.sampled_from(["\udce9", "a\nb", "|", "", "\x1b[2J", "\u202e"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    texts=st.lists(TEXT, min_size=6, max_size=6),
    severity=st.sampled_from(Severity),
    verdict=st.sampled_from(Verdict),
    artifacts=st.dictionaries(TEXT, TEXT, max_size=3),
    numbers=st.lists(st.integers(min_value=0), min_size=2, max_size=2),
)
def test_any_text_survives_the_round_trip(texts, severity, verdict, artifacts, numbers):
    finding = Finding("ABI001", severity, f"file:x{texts[0]}", texts[1], texts[2], texts[3], id="F1")
    migration = Migration("n", texts[4], MIGRATION.steps, tuple(artifacts.items()), disk_bytes=numbers[0])
    plan = replace(
        SAFE,
        verdict=verdict,
        findings=(finding,),
        migration=migration,
        final_state=(PackageRecord(texts[5], texts[0], texts[1], numbers[1], url=texts[2]),),
    )
    text = dumps(plan)
    assert text.encode("utf-8")
    document = json.loads(text)
    assert document == plan_to_dict(plan)
    assert dumps(plan_from_dict(document)) == text


def test_shared_example_is_read():
    data = os.environ.get("PLANNER_REAL_DATA")
    example = Path(data).parent / "plan-example.json" if data else None
    if example is None or not example.is_file():
        pytest.skip("no plan-example.json beside PLANNER_REAL_DATA")
    document = json.loads(example.read_text(encoding="utf-8"))
    assert plan_to_dict(load_plan(example)) == document
