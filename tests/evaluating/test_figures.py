"""The pictures: what they say, not how they look."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from digits.data.datasets import FASHION
from digits.evaluating import figures
from digits.evaluating.predictions import Predictions
from digits.evaluating.scores import Bin, Scores, score


def scores_of(guesses: list[int], labels: list[int], classes: tuple[str, ...]) -> Scores:
    probabilities = torch.full((len(labels), len(classes)), 0.1 / (len(classes) - 1))
    probabilities[torch.arange(len(labels)), torch.tensor(guesses)] = 0.9
    truth = torch.tensor(labels)
    losses = -probabilities[torch.arange(len(labels)), truth].log()
    return score(Predictions(probabilities, torch.tensor(guesses), truth, losses, torch.arange(len(labels))), classes)


@pytest.fixture
def clothes() -> Scores:
    """Ten images of each of the clothes; one shirt read as a T-shirt, three as coats."""
    labels = [label for label in range(10) for _ in range(10)]
    guesses = list(labels)
    guesses[60] = 0
    guesses[61:64] = [4, 4, 4]
    return scores_of(guesses, labels, FASHION)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_confusion_matrix_shows_every_count_with_its_rows_percentage(clothes: Scores) -> None:
    figure = figures.confusion_matrix(clothes, FASHION)
    shown = texts(figure)
    assert len(shown) == 2 * 12  # ten cells of right answers and two of mistakes, count and percentage
    assert shown.count("10") == shown.count("100%") == 9
    assert shown.count("6") == shown.count("60.0%") == 1
    assert shown.count("3") == shown.count("30.0%") == 1
    assert figure.axes[0].get_title(loc="left") == "96.00% correct, 4 of 100 wrong"


def test_long_class_names_do_not_overlap(clothes: Scores) -> None:
    figure = figures.confusion_matrix(clothes, FASHION)
    figures.png(figure)
    for axis in (figure.axes[0].yaxis, figure.axes[0].xaxis):
        labels = axis.get_ticklabels()
        assert [label.get_text() for label in labels] == list(FASHION)
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert all(above.y0 > below.y1 for above, below in pairwise(boxes))
    names = figure.axes[0].get_xticklabels()
    assert {name.get_rotation() for name in names} == {40.0}
    assert all(name.get_window_extent().y0 >= 0 and name.get_window_extent().x0 >= 0 for name in names)


def words(figure: Figure) -> list[Text]:
    """All text that is drawn."""
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def test_a_card_is_500_pixels_wide_and_its_text_readable_there(clothes: Scores) -> None:
    images = torch.zeros(4, 28, 28, dtype=torch.uint8)
    drawn = {
        "confusion_matrix": figures.confusion_matrix(clothes, FASHION, card=True),
        "class_accuracy": figures.class_accuracy(clothes, card=True),
        "worst_mistakes": figures.mistakes(images, clothes, card=True),
        "batch": figures.batch(torch.rand(32, 1, 28, 28), torch.arange(32) % 10, FASHION),
        "lr_search": figures.lr_search([1e-3, 1e-2, 1e-1], [2.0, 1.0, 3.0], np.array([2.0, 1.0, 3.0]), 0.01),
        "reliability": figures.reliability_diagram([Bin(10, 5, 0.4), Bin(90, 81, 0.95)], 0.055),
    }
    for name, figure in drawn.items():
        width, height = Image.open(io.BytesIO(figures.card_png(figure))).size
        assert (width, height <= 600) == (460 if name == "reliability" else 500, True), name
        assert min(float(text.get_fontsize()) for text in words(figure)) >= 7, f"{name}: 7 points are 9.7 pixels"
        drawn_box = figure.get_tightbbox()  # inches
        assert drawn_box.x0 > -0.01, f"{name}: cut off on the left"
        assert drawn_box.x1 < figure.get_figwidth() + 0.01, f"{name}: cut off on the right"


def test_numbers_of_neighbouring_cells_do_not_touch_on_a_card() -> None:
    """The widest that a cell can hold: counts of four digits in all of them."""
    labels = [label for label in range(10) for _ in range(20_000)]
    guesses = [number % 10 for number in range(200_000)]
    figure = figures.confusion_matrix(scores_of(guesses, labels, FASHION), FASHION, card=True)
    figures.card_png(figure)
    counts = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text() == "2,000"]
    assert len(counts) == 100
    assert all(left.x1 < right.x0 for left, right in pairwise(counts) if left.y0 == right.y0 and left.x0 < right.x0)


def test_a_card_of_many_classes_leaves_out_what_is_too_small() -> None:
    classes = [f"{number}" for number in range(40)]
    labels = [label for label in range(40) for _ in range(2)]
    scores = scores_of(labels, labels, tuple(classes))
    card, file = (figures.confusion_matrix(scores, classes, card=card) for card in (True, False))
    assert [label.get_text() for label in card.axes[0].get_yticklabels()] == classes[::2]
    assert [label.get_text() for label in file.axes[0].get_yticklabels()] == classes
    assert not texts(card)


def test_a_card_shows_the_first_twenty_mistakes() -> None:
    labels, images = [0] * 30, torch.zeros(25, 28, 28, dtype=torch.uint8)
    scores = scores_of([1] * 30, labels, ("a", "b"))
    for card, shown in ((True, 20), (False, 25)):
        figure = figures.mistakes(images, scores, card=card)
        assert sum(bool(axes.images) for axes in figure.axes) == shown
        assert figure.get_suptitle() == f"30 of 30 wrong; the worst {shown}: label above, predicted below"


def test_class_accuracy_begins_below_the_worst_class_and_tells_every_value(clothes: Scores) -> None:
    figure = figures.class_accuracy(clothes)
    (axes,) = figure.axes
    assert texts(figure) == ["100.0%"] * 6 + ["60.0%"] + ["100.0%"] * 3
    start = axes.get_xlim()[0]
    assert 0 <= start < 0.6
    assert [bar.get_x() + bar.get_width() for bar in axes.patches] == pytest.approx([1.0] * 6 + [0.6] + [1.0] * 3)  # type: ignore[attr-defined]  # bars are Rectangles  # bars are Rectangles


def test_class_accuracy_is_zoomed_in_on_good_nets() -> None:
    labels = [label for label in range(10) for _ in range(1000)]
    guesses = list(labels)
    guesses[0] = 1
    assert figures.class_accuracy(scores_of(guesses, labels, FASHION)).axes[0].get_xlim()[0] >= 0.98


def test_mistakes_show_each_image_with_truth_guess_and_confidence(clothes: Scores) -> None:
    images = torch.stack([torch.full((28, 28), value, dtype=torch.uint8) for value in (10, 20, 30, 40)])
    figure = figures.mistakes(images, clothes)
    used = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title(loc="left") for axes in used] == ["shirt"] * 4
    assert [axes.get_xlabel() for axes in used] == ["T-shirt  90%", "coat  90%", "coat  90%", "coat  90%"]
    assert [axes.get_title(loc="right") for axes in used] == ["#60", "#61", "#62", "#63"]
    assert [int(np.asarray(axes.images[0].get_array())[0, 0]) for axes in used] == [10, 20, 30, 40]


def test_a_net_without_mistakes_says_so() -> None:
    figure = figures.mistakes(torch.empty(0, 28, 28, dtype=torch.uint8), scores_of([0, 1], [0, 1], ("a", "b")))
    assert [text.get_text() for text in figure.texts] == ["No mistake among 2 images"]


def test_a_batch_is_shown_as_the_net_sees_it() -> None:
    images = torch.linspace(-0.4, 2.8, 11 * 28 * 28).reshape(11, 1, 28, 28)
    figure = figures.batch(images, torch.tensor([9] * 11), FASHION)
    used = [axes for axes in figure.axes if axes.images]
    assert len(used) == 11
    assert {axes.get_title(loc="left") for axes in used} == {"ankle boot"}
    assert {axes.images[0].get_clim() for axes in used} == {(images.min().item(), images.max().item())}


def test_reliability_has_a_point_and_a_bar_a_bin() -> None:
    figure = figures.reliability_diagram([Bin(10, 5, 0.4), Bin(90, 81, 0.95)], 0.055)
    top, bottom = figure.axes
    points = top.lines[-1].get_xydata()
    assert np.asarray(points).tolist() == [[0.4, 0.5], [0.95, 0.9]]
    assert [bar.get_height() for bar in bottom.patches] == [10, 90]  # type: ignore[attr-defined]
    assert top.get_title(loc="left") == "Expected calibration error 5.50%"


def test_a_figure_becomes_a_png_of_its_size(clothes: Scores) -> None:
    figure = figures.class_accuracy(clothes)
    width, height = (round(inches * figure.dpi) for inches in figure.get_size_inches())
    assert Image.open(io.BytesIO(figures.png(figure))).size == pytest.approx((width, height), abs=1)
