"""The schema that travels with the planner says what the serializer does, and refuses what the serializer refuses."""

from __future__ import annotations

import copy
import json
import os
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from planner.errors import InputError
from planner.serialize import plan_from_dict, plan_to_dict
from tests.sample_plans import ALL, UNSAFE, UNSOLVABLE
from tests.test_serialize import WRONG

SCHEMA = json.loads(files("planner").joinpath("schema", "plan-1.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
# JSON Schema cannot compare one value with another, nor speak of the last item of a list.
BEYOND_SCHEMA = {"edge", "via", "twice", "order of steps"}


def objects(schema):
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema and "additionalProperties" in schema:
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def test_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


def test_every_object_is_closed_and_described():
    found = list(objects(SCHEMA))
    assert len(found) == 17
    for item in found:
        assert item["additionalProperties"] is False
        assert item["description"]
        assert set(item["properties"]) - set(item["required"]) <= {"explanation", "held_back"}


@pytest.mark.parametrize("name", ALL)
def test_every_sample_plan_is_valid(name):
    assert list(VALIDATOR.iter_errors(plan_to_dict(ALL[name]))) == []


@pytest.mark.parametrize("name", WRONG)
def test_schema_and_reader_refuse_the_same(name):
    document = copy.deepcopy(plan_to_dict(UNSAFE))
    WRONG[name][0](document)
    with pytest.raises(InputError):
        plan_from_dict(document)
    # `True == 1` in Python, in JSON they differ: the validator goes by JSON.
    assert VALIDATOR.is_valid(document) is (name in BEYOND_SCHEMA)


def test_an_unsolvable_plan_holds_an_explanation_and_no_changes():
    document = plan_to_dict(UNSOLVABLE)
    without = {key: value for key, value in document.items() if key != "explanation"}
    assert not VALIDATOR.is_valid(without)
    assert not VALIDATOR.is_valid({**document, "changes": plan_to_dict(UNSAFE)["changes"]})


def test_shared_example_is_valid():
    data = os.environ.get("PLANNER_REAL_DATA")
    example = Path(data).parent / "plan-example.json" if data else None
    if example is None or not example.is_file():
        pytest.skip("no plan-example.json beside PLANNER_REAL_DATA")
    assert list(VALIDATOR.iter_errors(json.loads(example.read_text(encoding="utf-8")))) == []
