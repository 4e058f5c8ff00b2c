"""Validators of the reports' formats, shared by the tests that render."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import html5lib
import pytest

# Element -> its attributes, required and optional, and its children in their order: the form that the schemas of
# Jenkins's xUnit plugin and of Ant's JUnit report agree on, without what this product never writes.
JUNIT = {
    "testsuites": ({"name", "tests", "failures", "errors", "skipped", "time"}, set(), ["testsuite"]),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time"}, set(), ["properties", "testcase"]),
    "properties": (set(), set(), ["property"]),
    "property": ({"name", "value"}, set(), []),
    "testcase": ({"classname", "name", "time"}, set(), ["skipped", "error", "failure", "system-out"]),
    "skipped": ({"message"}, set(), []),
    "error": ({"message", "type"}, set(), []),
    "failure": ({"message", "type"}, set(), []),
    "system-out": (set(), set(), []),
}


def parsed_html(text):
    """The tree of a page that a strict parser accepts without an error."""
    return html5lib.HTMLParser(strict=True).parse(text)


def assert_valid_sarif(text):
    validate = pytest.importorskip("sarif_kit.validate", reason="sarif-kit needs python 3.11")
    validate.assert_valid(json.loads(text))


def assert_valid_junit(text):
    root = ET.fromstring(text.encode("utf-8"))
    assert root.tag == "testsuites"
    for element in root.iter():
        required, optional, children = JUNIT[element.tag]
        assert required <= set(element.attrib) <= required | optional
        order = [children.index(child.tag) for child in element]
        assert order == sorted(order)
        if element.tag in {"testsuites", "testsuite"}:
            assert int(element.get("tests")) == len(list(element.iter("testcase")))
            for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
                assert int(element.get(attribute)) == len(list(element.iter(tag)))
    return root
