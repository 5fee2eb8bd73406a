"""Means, spreads and bounds, worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks.seeds import Sample, bound, difference, standard_error

THREE = Sample((0.990, 0.992, 0.994))  # mean 0.992, sd 0.002
TWO = Sample((0.980, 0.984))  # mean 0.982, sd 0.002 * sqrt(2)
ONE = Sample((0.991,))


def test_a_sample_has_its_mean_and_sample_sd() -> None:
    assert THREE.mean == pytest.approx(0.992)
    assert THREE.sd == pytest.approx(0.002)
    assert TWO.sd == pytest.approx(0.002 * 2**0.5)
    assert ONE.sd is None
    assert (THREE.percent(), ONE.percent()) == ("99.20 ± 0.20", "99.10")


def test_the_standard_error_of_a_difference_adds_both_variances() -> None:
    assert standard_error(THREE, TWO) == pytest.approx((4e-6 / 3 + 8e-6 / 2) ** 0.5)  # 0.231 points
    assert standard_error(THREE, ONE) is None


@pytest.mark.parametrize(
    ("other", "text"),
    [
        # of three and three seeds, four degrees of freedom: t has to be above 2.776
        (Sample((0.984, 0.986, 0.988)), "+0.60 ± 0.16 points, above the seed noise"),  # t 3.67
        (Sample((0.986, 0.988, 0.990)), "+0.40 ± 0.16 points, difference below the seed noise"),  # t 2.45
        # with two seeds of one, 1.6 degrees of freedom: above 5.5 or so
        (TWO, "+1.00 ± 0.23 points, difference below the seed noise"),  # t 4.33
        (Sample((0.962, 0.966)), "+2.80 ± 0.23 points, above the seed noise"),  # t 12.1
        (Sample((0.988, 0.992)), "+0.20 ± 0.23 points, difference below the seed noise"),
        (Sample((0.994, 0.998)), "-0.40 ± 0.23 points, difference below the seed noise"),
        (ONE, "+0.10 points; one seed tells no noise"),
    ],
)
def test_seed_noise_is_what_one_in_twenty_such_differences_is(other: Sample, text: str) -> None:
    assert difference(THREE, other) == text


def test_seeds_that_are_all_alike_tell_no_noise() -> None:
    same = Sample((0.99, 0.99))
    assert difference(same, same) == "+0.00 points; the seeds are all alike, which tells no noise"


def test_the_bound_is_three_sd_of_the_difference_of_two_means() -> None:
    assert bound(THREE, 3) == pytest.approx(3 * 0.002 * (2 / 3) ** 0.5)  # 0.490 points
    assert bound(TWO, 8) == pytest.approx(3 * 0.002 * 2**0.5 * (1 / 2 + 1 / 8) ** 0.5)


def test_a_record_without_spread_gives_no_bound() -> None:
    with pytest.raises(ValueError, match="the record has 1 seed, which tells no spread; record at least 2"):
        bound(ONE, 3)
    with pytest.raises(ValueError, match="3 seeds have all the same accuracy, so its sd of 0 is no bound"):
        bound(Sample((0.99, 0.99, 0.99)), 3)
