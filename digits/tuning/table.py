"""A search as text: a table of its trials, the best first, and a summary. For `digits.report`; no torch."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

from digits.runs.layout import RunError
from digits.runs.table import Table
from digits.tuning.results import Outcome, Trial, outcome_of, setting_text
from digits.tuning.storage import read_search

CUT = "in brackets: the value of a pruned trial when it was pruned"
ONLY_TESTED = "the only trial that the test set was used for"
LOOKS = "looks"  # key of the number of tested trials: more than one if a search was extended and found a better one


def report_search(
    directory: Path,
    sort: str | None = None,
    *,
    as_csv: bool = False,
    markdown: bool = False,
    storage: str | None = None,
) -> str:
    """The report of the search in a directory; raises RunError without a search, or for an unknown objective."""
    outcome = outcome_of(read_search(directory, storage))
    names = [objective.name for objective in outcome.objectives]
    if sort is not None and sort not in names:
        raise RunError(f"{outcome.name} has no objective {sort}; there are: {', '.join(names)}")
    place = 0 if sort is None else names.index(sort)
    if as_csv:
        return csv_of(outcome, directory, place)
    return text_of(outcome, directory, place, markdown=markdown)


def text_of(outcome: Outcome, directory: Path, sort: int = 0, *, markdown: bool = False) -> str:
    """The report as text, ranked by one of the objectives."""
    aims = " and ".join(f"{'most' if aim.maximize else 'least'} {aim.name}" for aim in outcome.objectives)
    lines = [f"{outcome.name}, a search for {aims}, in {directory}", counted(outcome)]
    if outcome.trials:
        rows = [cells(outcome, rank, trial) for rank, trial in ranks(outcome, sort)]
        table = Table(columns(outcome), rows, "r" * (len(rows[0]) - 1) + "l")
        lines += ["", table.markdown() if markdown else table.text(), ""]
        if any(trial.state == "pruned" and not math.isnan(trial.last) for trial in outcome.trials):
            lines.append(CUT)
    return "\n".join([*lines, closing(outcome, directory, sort, markdown=markdown)]).rstrip() + "\n"


def closing(outcome: Outcome, directory: Path, sort: int = 0, *, markdown: bool = False) -> str:
    """The summary of a search, below its table."""
    lines = [saved(outcome), ""] if outcome.trials else []
    lines += _winner(outcome, directory, sort, markdown=markdown)
    lines += _front(outcome, directory, markdown=markdown)
    failed = [trial for trial in outcome.trials if trial.state == "failed"]
    if failed:
        lines += ["", "failed:", *([""] if markdown else [])]
        lines += [_item(trial, directory, trial.reason or "no reason recorded", markdown=markdown) for trial in failed]
    return "\n".join(lines)


def csv_of(outcome: Outcome, directory: Path, sort: int = 0) -> str:
    """One line for every trial, the best first; fractions in full precision."""
    aims, rows = [aim.name for aim in outcome.objectives], list[list[object]]()
    for rank, trial in ranks(outcome, sort):
        values = trial.values or [None] * len(aims)
        last = None if math.isnan(trial.last) else trial.last
        where = directory / trial.directory if trial.directory else None
        settings = map(trial.settings.get, outcome.spans)
        rest = (trial.epochs, trial.seconds, where, trial.reason)
        rows.append([rank, trial.number, trial.state, *settings, *values, last, *rest])
    head = ["rank", "trial", "state", *outcome.spans, *aims, "last", "epochs", "seconds", "directory", "reason"]
    return Table(head, rows).csv()


def ranks(outcome: Outcome, sort: int = 0) -> list[tuple[int | None, Trial]]:
    """Each trial with its rank, the best first; only complete trials with finite values have a rank."""
    return [(i if trial.finite else None, trial) for i, trial in enumerate(outcome.ranked(sort), start=1)]


def cells(outcome: Outcome, rank: int | None, trial: Trial) -> list[str]:
    """A trial as the cells of its row, in the order of `columns`."""
    settings = [setting_text(trial.settings[name]) if name in trial.settings else "" for name in outcome.spans]
    values = [aim.text(value) for aim, value in zip(outcome.objectives, trial.values, strict=False)]
    if not values:
        cut = "" if math.isnan(trial.last) else f"({outcome.objectives[0].text(trial.last)})"
        values = [cut, *[""] * (len(outcome.objectives) - 1)]
    seconds = "" if trial.seconds is None else f"{trial.seconds:,.1f}"
    epochs = str(trial.epochs) if trial.epochs else ""
    return ["" if rank is None else str(rank), str(trial.number), *settings, *values, epochs, seconds, trial.state]


def columns(outcome: Outcome) -> list[str]:
    """The headers of the table."""
    return ["rank", "trial", *outcome.spans, *(aim.name for aim in outcome.objectives), "epochs", "seconds", "state"]


def counted(outcome: Outcome) -> str:
    """The number of trials, in all and by state."""
    number = len(outcome.trials)
    states = ", ".join(f"{count} {state}" for state, count in outcome.counts.items())
    return f"{number} trial{'s' * (number != 1)}" + (f": {states}" if states else "")


def saved(outcome: Outcome) -> str:
    """The epochs that pruning saved, of the complete and pruned trials."""
    trained, whole = outcome.epochs
    if trained >= whole:
        return f"{trained:,} epochs trained; pruning saved none of them"
    share = 100 * (whole - trained) / whole
    return f"{trained:,} of {whole:,} epochs trained: pruning saved {share:.0f} % of the epochs"


def tested(outcome: Outcome) -> str:
    """The test metrics of the winner; empty if it was not tested."""
    metrics = [
        f"{name} {100 * value:.2f} %" if outcome.task.is_fraction(f"test/{name}") else f"{name} {value:.4f}"
        for name, value in outcome.test.items()
        if name != LOOKS
    ]
    return f"test {', '.join(metrics)}" if metrics and outcome.tested is not None else ""


def _winner(outcome: Outcome, directory: Path, sort: int, *, markdown: bool) -> list[str]:
    best, lines = outcome.best(sort), list[str]()
    if best is None:
        return ["no best trial: none is complete"] if outcome.trials else []
    aim = outcome.objectives[sort]
    value = aim.text(best.values[sort])
    lines.append(f"best trial by {aim.name}, {value}: {best.number}, {_where(best, directory, markdown=markdown)}")
    winner = outcome.winner
    if winner is not None and tested(outcome):
        which = "" if winner is best else f" of trial {winner.number}"
        looks = outcome.test.get(LOOKS, 1)
        before = ONLY_TESTED if looks == 1 else f"the test set was used for {looks:.0f} trials, each when it led"
        lines.append(f"{tested(outcome)}{which}, {before}")
    if winner is not None and winner.overrides:
        command = shlex.join(outcome.command(winner))
        lines.append(f"trained again by {f'`{command}`' if markdown else command}")
    return lines


def _front(outcome: Outcome, directory: Path, *, markdown: bool) -> list[str]:
    front = outcome.front
    if len(outcome.objectives) < 2 or not front:
        return []
    lines = ["", "Pareto front, the trials that no other beats in one objective without losing in another:"]
    lines += [""] if markdown else []
    for trial in front:
        values = zip(outcome.objectives, trial.values, strict=True)
        text = ", ".join(f"{aim.name} {aim.text(value)}" for aim, value in values)
        lines.append(_item(trial, directory, text, markdown=markdown))
    return lines


def _item(trial: Trial, directory: Path, text: str, *, markdown: bool) -> str:
    """A list item about a trial."""
    return f"{'- ' if markdown else '  '}{trial.number}, {_where(trial, directory, markdown=markdown)}: {text}"


def _where(trial: Trial, directory: Path, *, markdown: bool) -> str:
    if trial.directory is None:
        return "without a directory"
    return f"`{directory / trial.directory}`" if markdown else str(directory / trial.directory)
