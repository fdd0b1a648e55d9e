import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from servo_arm import ROBOT, small_model, ticks_of

from adapt.evaluation import plots
from adapt.evaluation.replay_comparison import compare
from adapt.evaluation.replay_report import replay_data, replay_report
from adapt.evaluation.report import FAINT, INK, Report
from adapt.evaluation.statistics import Estimate

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Follows the elements of a page; fails where they do not nest."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.addresses += [value for name, value in attributes if name in {"src", "href", "xlink:href"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def full_report() -> Report:
    report = Report("Title <b>", "a & b")
    report.heading("First")
    report.text("Text with <script>alert(1)</script>")
    report.table(["name", "value"], [["<i>", 0.123456], ["none", None]], "A table.")
    x = np.arange(5.0)
    report.figure(plots.lines(x, {"one": x, "two": 2 * x}, "time, s", "error, rad"), "Lines.")
    report.figure(plots.estimates({"a": Estimate(1.0, 0.5, 1.5, 5)}, "rad"), "Estimates.")
    budget = {name: {"used": 10, "remaining": 90} for name in ("adapt", "gate", "audit")}
    report.figure(plots.budget_bars(budget, 25.0), "Budget.")
    return report


def test_the_page_needs_nothing_from_elsewhere():
    page = Page(full_report().html())
    assert page.seen.count("figure") == 3
    assert page.addresses and all(address.startswith("#") for address in page.addresses)


def test_names_inside_one_figure_never_meet_those_of_another():
    html = full_report().html()
    named = re.findall(r'<(?:clipPath|path|marker)[^>]* id="([^"]+)"', html)
    assert named and len(named) == len(set(named))


def test_text_is_escaped_and_figures_take_the_colours_of_the_page():
    html = full_report().html()
    assert "<script>" not in html
    assert "Title &lt;b&gt;" in html
    assert INK not in html and FAINT not in html
    assert "currentColor" in html
    assert "prefers-color-scheme: dark" in html


def test_numbers_are_short_and_what_is_missing_is_blank():
    html = full_report().html()
    assert '<td class="number">0.1235</td>' in html
    assert "None" not in html


def test_a_number_that_is_not_finite_writes_nothing(tmp_path):
    with pytest.raises(ValueError):
        full_report().write(tmp_path / "out", {"error": float("nan")})
    assert not (tmp_path / "out").exists()


def test_page_and_data_are_written_twice_alike(tmp_path):
    pages = [full_report().write(tmp_path / name, {"error": 0.5}).read_text() for name in ("one", "two")]
    assert pages[0] == pages[1]
    assert json.loads((tmp_path / "one" / "report.json").read_text()) == {"error": 0.5}


def test_the_report_of_a_replay_without_learning_is_whole(tmp_path):
    models = {"before": small_model()}
    comparison = compare(ROBOT, models, ticks_of(300, seed=1))
    data = replay_data(ROBOT, "v1", ["some/bag"], [], comparison, None)
    page = Page(replay_report(ROBOT, data, comparison, models).html())
    assert page.seen.count("figure") == 3
    assert json.loads(json.dumps(data, allow_nan=False))["open_loop_rmse"]["before"]["joints"].keys() == set(
        ROBOT.action.entries
    )
