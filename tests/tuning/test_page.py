"""The page about a search: self-contained, escaped, with every trial and the words that matter."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from digits.tuning.plotting import figures
from digits.tuning.plotting.canvas import LOOKS
from digits.tuning.plotting.page import EXPLAINED, make_page, write_page
from digits.tuning.results import outcome_of
from tests.tuning.studies import study_of, toy_study, trial_of

HERE = Path("outputs/tune/cnn")
NBSP = "\N{NO-BREAK SPACE}"
PIXEL = b"\x89PNG"


class Page(HTMLParser):
    """Every tag with its attributes, what is open at the end, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "source", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if "style" not in self.open else ""

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(study: optuna.Study) -> tuple[str, Page]:
    outcome = outcome_of(study)
    names = figures.figures_of(study, outcome)
    text = make_page(outcome, {(name, theme): PIXEL for name in names for theme in LOOKS}, HERE)
    return text, Page(text)


def test_files_are_written_and_the_page_holds_their_pictures(tmp_path: Path) -> None:
    study = toy_study(15)
    written = write_page(study, tmp_path)
    assert written == tmp_path / "search.html"
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "curves.png", "history.png", "importance.png", "parallel.png", "slices.png"
    ]  # fmt: skip
    page = Page(written.read_text(encoding="utf-8"))
    assert page.open == []
    assert len(page.all("img")) == 5
    assert not list(tmp_path.glob("**/.*"))
    (tmp_path / "figures").rename(tmp_path / "gone")
    (tmp_path / "figures").write_text("in the way")
    with pytest.raises(OSError, match="figures"):
        write_page(study, tmp_path)


@pytest.mark.parametrize("objectives", [("val/accuracy",), ("val/accuracy", "parameters")])
def test_nothing_is_loaded_from_elsewhere(objectives: tuple[str, ...]) -> None:
    text, page = page_of(toy_study(12, objectives))
    assert not re.findall(r"https?:|//\w|@import|url\(|<script|<link", re.sub(r"base64,[^\"]*", "", text))
    for name, attributes in page.tags:
        for key in ("src", "srcset"):
            assert (attributes.get(key) or "data:image/png;base64,").startswith("data:image/png;base64,"), name
        assert (attributes.get("href") or "#").startswith("#")
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {(attributes["href"] or "").lstrip("#") for attributes in page.all("a")} <= ids
    assert all(attributes.get("alt") for attributes in page.all("img"))


def test_headline_by_hand() -> None:
    study = study_of(
        [trial_of(0.9, params={"lr": 0.5}),
         trial_of(0.95, params={"lr": 0.1}, overrides=["optimizer.lr=0.1"], directory="trials/0001", epochs=10),
         trial_of(None, TrialState.FAIL, reason="no room")],
        space={"lr": {"key": "optimizer.lr"}}, base=["model=cnn"],
    )  # fmt: skip
    study.set_user_attr("test", {"trial": 1, "accuracy": 0.9942})
    text = page_of(study)[1].text
    for told in (
        "A search for the highest val/accuracy. 3 trials: 2 complete, 1 failed.",
        f"The best is trial 1, with val/accuracy 95.00{NBSP}%, and these parameters:",
        f"It alone was tested, once: accuracy 99.42{NBSP}% on the test set.",
        "Its run is in outputs/tune/cnn/trials/0001.",
        "python -m digits.train callbacks=trial model=cnn optimizer.lr=0.1\n",
        "Trial 2: no room",
        "optimizer.lr1e-05 to 1, logarithmic",
    ):
        assert told in text, told


def test_without_a_test_the_page_says_so() -> None:
    assert "The test set was not used." in page_of(study_of([trial_of(0.9)]))[1].text
    assert "No trial is complete yet, so there is no best one." in page_of(study_of([]))[1].text
    running = page_of(study_of([trial_of(None, TrialState.RUNNING)]))[1].text
    assert "Not all trials were over when this was written." in running


def test_names_are_escaped() -> None:
    bad = "<script>alert(1)</script>&\"'"
    study = study_of(
        [trial_of(0.9, params={bad: bad}, overrides=[bad], directory=bad),
         trial_of(None, TrialState.FAIL, reason=bad, directory=bad)],
        ("<script>/accuracy",), space={bad: {"key": bad}}, base=[bad],
    )  # fmt: skip
    text, page = page_of(study)
    assert "<script" not in text
    assert page.open == []
    assert page.text.count("alert(1)") >= 10
    several = study_of([trial_of((0.9, 1.0))], ("<script>/accuracy", "<script>2"))
    assert "<script" not in page_of(several)[0]


def test_every_trial_has_a_row_and_a_place_in_each_order() -> None:
    study = study_of([
        trial_of(0.8, params={"lr": 0.5, "kind": "b"}, seconds=3.0), trial_of(0.9, params={"lr": 0.1}, seconds=5.0),
        trial_of(None, TrialState.PRUNED, params={"lr": 0.3}, curve={0: 0.4}),
    ])  # fmt: skip
    text, page = page_of(study)
    rows = [row["style"] or "" for row in page.all("tr") if "style" in row]
    places = [dict(re.findall(r"--o(\d+):(\d+)", row)) for row in rows]
    # rows in the order of their rank: trial 1, 0, 2; columns: rank, trial, lr, kind, value, epochs, seconds, state
    assert [place["1"] for place in places] == ["1", "0", "2"]
    assert [place["2"] for place in places] == ["0", "2", "1"]
    assert [place["3"] for place in places] == ["1", "0", "2"]  # those without it last, the better first
    assert [place["6"] for place in places] == ["1", "0", "2"]
    assert [box["id"] for box in page.all("input")] == [f"by{i}" for i in range(8)]
    assert "checked" in page.all("input")[0]
    for i in range(8):
        assert f".all:has(#by{i}:checked) tbody tr {{ order: var(--o{i}) }}" in text


def test_every_figure_is_explained() -> None:
    _, page = page_of(toy_study(3))
    for name in ("history", "curves", "parallel", "importance", "slices"):
        assert EXPLAINED[name][2] in page.text
    _, page = page_of(toy_study(3, ("val/accuracy", "parameters")))
    assert "Slices: parameters" in page.text
    assert EXPLAINED["pareto"][2] in page.text
    assert EXPLAINED["history"][2] not in page.text
