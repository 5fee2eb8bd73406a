"""The two sides of a comparison: one run against another, or the seeds of two configurations. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from digits.evaluating.members import Member
from digits.runs.groups import Pairs, configuration_of
from digits.runs.layout import RunError
from digits.runs.read import read_result


class Sides(NamedTuple):
    """The positions of the members of either side."""

    first: list[int]
    second: list[int]


def sides_of(members: Sequence[Member]) -> Sides:
    """Two runs are a side each; of more, those whose configurations differ only in the seed are one.

    Raises RunError unless that makes two sides.
    """
    if len(members) == 2:
        return Sides([0], [1])
    alike: dict[Pairs, list[int]] = {}
    for position, member in enumerate(members):
        if not (configuration := configuration_of(read_result(member.run))):
            raise RunError(f"{member.run} has no whole configuration in its record; compare it with one run at a time")
        alike.setdefault(configuration, []).append(position)
    if len(alike) != 2:
        raise RunError(
            f"--compare takes two runs, or the seeds of two configurations; the runs given have {len(alike)} "
            f"configuration{'' if len(alike) == 1 else 's'}"
        )
    return Sides(*alike.values())
