"""What errors share: one line of text, and the demand for an optional package."""

import sys

import pytest

from genmech_fem.errors import MissingExtraError, one_line, require


def test_the_text_of_an_error_becomes_one_line():
    assert one_line(ValueError("expected  1,\n\tgot 2 ")) == "expected 1, got 2"
    assert one_line(ValueError("expected 1, got 2"), 10) == "expected 1"
    assert one_line(StopIteration()) == "StopIteration"


def test_a_missing_package_is_demanded_by_its_extra_and_none_is_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "this", raising=False)
    require("this", "poetry")
    assert "this" not in sys.modules
    with pytest.raises(MissingExtraError, match=r"needs the package 'no_such_package'.*genmech_fem\[poetry\]"):
        require("no_such_package", "poetry")
