"""The page about a search: self-contained, escaped, with every plot, every trial and what came of them."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from digits.tuning.page import READING, make_page, write_page
from tests.support.studies import study_of, toy_study, trial_of

HERE = Path("outputs/tune/cnn")


class Page(HTMLParser):
    """Every tag with its attributes, what is open at the end, the text, and the scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text, self.scripts = "", list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.scripts.append(data)
        elif "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(study: optuna.Study) -> Page:
    return Page(make_page(study, HERE))


@pytest.mark.parametrize("objectives", [("val/accuracy",), ("val/accuracy", "parameters")])
def test_the_page_is_whole_and_loads_nothing(objectives: tuple[str, ...], tmp_path: Path) -> None:
    """Plotly's script stands in it once, and the page's policy forbids it to fetch anything."""
    written = write_page(toy_study(25, objectives), tmp_path)
    assert list(tmp_path.iterdir()) == [written]
    page = Page(written.read_text(encoding="utf-8"))
    assert page.open == []
    bundle, *plots = page.scripts
    assert "plotly.js v" in bundle[:200]
    assert max(map(len, plots)) < 200_000
    assert any("default-src 'none'" in (meta.get("content") or "") for meta in page.all("meta"))
    for _, attributes in page.tags:
        assert not attributes.keys() & {"src", "srcset"}
        assert (attributes.get("href") or "#").startswith("#")
    assert not any("http" in plot for plot in plots)
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {(link["href"] or "").lstrip("#") for link in page.all("a")} <= ids
    drawn = {name for name in ids if name and "_plot_" in name}
    assert len(drawn) == len(plots) > 8
    assert all(any(f'"{name}"' in plot for plot in plots) for name in drawn)


def test_every_plot_is_explained() -> None:
    one, two = page_of(toy_study(30)), page_of(toy_study(30, ("val/accuracy", "parameters")))
    for name, (heading, reading) in READING.items():
        assert (reading in one.text) == (name != "pareto")
        assert (heading in two.text) == (name not in ("history", "curves"))
    assert "Slices: parameters" in two.text


def test_headline_and_trials_by_hand() -> None:
    study = study_of(
        [trial_of(0.9, params={"lr": 0.5}),
         trial_of(0.95, params={"lr": 0.1}, overrides=["optimizer.lr=0.1"], directory="trials/0001", epochs=10),
         trial_of(None, TrialState.FAIL, reason="no room")],
        space={"lr": {"key": "optimizer.lr"}}, base=["model=cnn"],
    )  # fmt: skip
    study.set_user_attr("test", {"trial": 1, "accuracy": 0.9942})
    page = page_of(study)
    for told in (
        "highest val/accuracy. 3 trials: 2 complete, 1 failed.", "99.42", "trials/0001", "no room",
        "python -m digits.train callbacks=trial model=cnn optimizer.lr=0.1",
    ):  # fmt: skip
        assert told in page.text, told
    rows = re.findall(r"<tr><th scope=\"row\">(\d*)</th><td>(\d)</td><td>(.*?)</td><td>(.*?)</td>",
                      make_page(study, HERE))  # fmt: skip
    assert rows == [("1", "1", "0.1", "95.00\N{NO-BREAK SPACE}%"), ("2", "0", "0.5", "90.00\N{NO-BREAK SPACE}%"),
                    ("", "2", "", "")]  # fmt: skip


def test_names_are_escaped() -> None:
    bad = "</script><script>alert(1)</script>&\"'\x1b[31m"
    study = study_of(
        [trial_of(0.9, params={bad: bad}, overrides=[bad], directory=bad, curve={0: 0.1}),
         trial_of(None, TrialState.FAIL, reason=bad, directory=bad)],
        ("<script>/accuracy",), space={bad: {"key": bad}}, base=[bad],
    )  # fmt: skip
    page = page_of(study)
    assert page.open == []
    assert not any("alert(1)</script>" in script or script.startswith("alert") for script in page.scripts)
    assert page.text.count("alert(1)") >= 5
    assert "\x1b" not in "".join([page.text, *page.scripts[1:]])
    several = page_of(study_of([trial_of((0.9, 1.0), params={"a": 1})], ("<script>/accuracy", "<script>2")))
    assert several.open == []


def test_a_page_of_no_trial_and_of_one_that_runs() -> None:
    assert "No trial is complete yet." in page_of(study_of([])).text
    assert "1 running" in page_of(study_of([trial_of(None, TrialState.RUNNING)])).text


def test_a_search_starts_without_plotly_and_matplotlib() -> None:
    code = "import sys, digits.tuning.run; sys.exit(bool({'plotly', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
