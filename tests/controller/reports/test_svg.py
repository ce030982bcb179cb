"""Elements, escaping and path data."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from controller.reports.charts.svg import element, number, step_area_path, step_path, text
from tests.controller.reports.drawing_checks import coordinates


@pytest.mark.parametrize(
    ("value", "words"), [(1.0, "1"), (1.005, "1"), (-0.001, "0"), (12.346, "12.35"), (100.0, "100"), (0, "0")]
)
def test_numbers_are_short(value: float, words: str) -> None:
    assert number(value) == words


@given(
    words=st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"), max_size=40)
)
def test_whatever_a_name_holds_it_stays_text(words: str) -> None:
    drawn = text(words, 1, 2, aria_label=words)
    root = fromstring(str(drawn))
    assert (root.text or "") == words
    assert root.attrib["aria-label"] == words


def test_markup_is_not_escaped_again() -> None:
    assert element("g", Markup("<rect/>"), "<b>") == "<g><rect/>&lt;b&gt;</g>"


def test_attributes_without_a_value_are_left_out() -> None:
    assert element("rect", x=1, fill=None, hidden=False, class_="a", data_x="2") == '<rect x="1" class="a" data-x="2"/>'


def test_steps_hold_their_value_over_the_whole_interval() -> None:
    assert coordinates(step_path((0, 10, 30), (5, 8))) == [(0, 5), (10, 5), (10, 8), (30, 8)]


def test_equal_steps_are_joined() -> None:
    assert coordinates(step_path((0, 10, 30), (5, 5))) == [(0, 5), (30, 5)]


def test_an_area_runs_back_along_its_lower_edge() -> None:
    path = step_area_path((0, 10, 20), (9, 9), (5, 3))
    assert coordinates(path) == [(0, 5), (10, 5), (10, 3), (20, 3), (20, 9), (0, 9)]
    assert path.endswith("Z")
