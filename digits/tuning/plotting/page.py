"""The page about a search: the template `page.html`, filled with what was found and with embedded pictures."""

from __future__ import annotations

import base64
import html
import math
import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from string import Template

import optuna

from digits.runs.atomic import write_bytes, write_text
from digits.tuning.plotting.canvas import LOOKS
from digits.tuning.plotting.figures import draw_all
from digits.tuning.results import Outcome, Span, Trial, outcome_of, setting_text
from digits.tuning.table import LOOKS as TESTED_TRIALS
from digits.tuning.table import cells, columns, counted, ranks, saved, tested

PAGE = "search.html"
NBSP = "\N{NO-BREAK SPACE}"

EXPLAINED = {
    "history": (
        "History",
        "Each trial’s value in the order in which they began, and the best so far",
        "Each dot is a trial, in the order in which they began; the line is the best value so far. While the line "
        "still gets better a longer search is worth its time; once it is flat for long, another space is. Trials worse "
        "than the picture reaches lie on its edge, and so do most of the pruned: those were cut early.",
    ),
    "curves": (
        "Learning curves",
        "The objective after each epoch, a line for each trial",
        "The objective after each epoch, one line a trial; circles mark where trials were cut. Were lines to cross "
        "often after that epoch, pruning would have thrown away good trials.",
    ),
    "pareto": (
        "Pareto front",
        "The first objective against each other one, with the Pareto front",
        "Each dot is a trial. Those of the front are beaten by no other in one objective without losing in another: "
        "which of them is best depends on what the one is worth to you in the other. Numbers are those of the trials.",
    ),
    "parallel": (
        "Parallel coordinates",
        "A line for each trial through the values of its parameters down to its result",
        "Each line is a trial, from top to bottom through its parameters to its result; the better it is, the redder "
        "the line, and the best is bold. Where the red ones meet, the value of that parameter matters; where they "
        "spread, it doesn’t. Pruned trials are thin and grey. A line begins lower, or has a gap, where a trial has "
        "no such parameter.",
    ),
    "importance": (
        "Importance",
        "How much each parameter matters, as bars",
        "By how much a parameter’s values differ between the best trials (five, or a tenth of all) and all complete "
        "ones; together 1. Measured by PED-ANOVA (Watanabe et al. 2023). With few trials chance has its part, and a "
        "parameter whose whole range was good does not show.",
    ),
    "slices": (
        "Slices",
        "The objective against each parameter, a small plot for each",
        "The value against one parameter at a time; the later the trial, the stronger its colour. A hill shows where "
        "to look; a hill cut off by the edge of its plot, that the range should go on there. Short strokes below are "
        "pruned trials.",
    ),
}
"""Of each figure its title, its text for those who don't see it, and how to read it."""


def write_page(study: optuna.Study, directory: Path) -> Path:
    """Write `figures/*.png` and the page into a search's directory; returns the page's path.

    Raises StorageError where something can't be written.
    """
    outcome = outcome_of(study)
    images = draw_all(study)
    (directory / "figures").mkdir(parents=True, exist_ok=True)
    for (name, theme), image in images.items():
        if theme == "light":
            write_bytes(directory / "figures" / f"{name}.png", image)
    write_text(directory / PAGE, make_page(outcome, images, directory))
    return directory / PAGE


def make_page(outcome: Outcome, images: Mapping[tuple[str, str], bytes], directory: Path) -> str:
    """The page as HTML; `images` are PNGs by (figure, theme)."""
    template = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    colours = {f"{theme}_{part}": str(getattr(look, part)) for theme, look in LOOKS.items()
               for part in ("paper", "ink", "faint", "accent")}  # fmt: skip
    names = list(dict.fromkeys(name for name, _ in images))
    titles = {name: _title(name, outcome) for name in names}
    aims = " and ".join(
        f"the {'highest' if aim.maximize else 'lowest'} {_code(aim.name)}" for aim in outcome.objectives
    )
    going = outcome.counts.keys() & {"running", "waiting"}
    return template.substitute(
        colours,
        name=html.escape(outcome.name),
        lead=f"A search for {aims}. {_prose(counted(outcome))}.",
        summary=_summary(outcome, directory),
        contents="\n".join(f'<li><a href="#{name}">{title}</a></li>' for name, title in titles.items()),
        sections="\n".join(_section(name, titles[name], images) for name in names),
        space=_space(outcome),
        table=_trials(outcome),
        columns=len(columns(outcome)),
        orders="\n  ".join(
            f".all:has(#by{i}:checked) tbody tr {{ order: var(--o{i}) }}" for i in range(len(columns(outcome)))
        ),
        failed=_failed(outcome),
        footer="The figures are in <code>figures/</code> beside this page; the table is printed by "
        f"{_code(f'python -m digits.report {shlex.quote(str(directory))}')}."
        + (" Not all trials were over when this was written." if going else ""),
    )


def _summary(outcome: Outcome, directory: Path) -> str:
    """What came out, and how to have it again."""
    winner, parts = outcome.winner, list[str]()
    if winner is None:
        return "<p>No trial is complete yet, so there is no best one.</p>"
    if len(outcome.objectives) > 1:
        front = outcome.front
        told = f"{len(front)} trials are" if len(front) > 1 else "One trial is"
        parts.append(
            f'<p>{told} on the <a href="#pareto">Pareto front</a>: no other is better in one objective without being '
            "worse in another.</p>"
        )
    values = zip(outcome.objectives, winner.values, strict=False)
    told = ", ".join(f"{_code(aim.name)} {_prose(aim.text(value))}" for aim, value in values)
    chosen = "The best" if len(outcome.objectives) == 1 else f"The best in {_code(outcome.objectives[0].name)}"
    chosen = chosen if winner is outcome.best() else "The tested one"
    parts.append(f"<p><strong>{chosen} is trial {winner.number}, with {told}</strong>, and these parameters:</p>")
    rows = [[_code(name), _code(setting_text(value))] for name, value in winner.settings.items()]
    parts.append(_table(["parameter", "value"], rows))
    if tested(outcome):
        when = "It alone was tested, once" if outcome.test.get(TESTED_TRIALS, 1) == 1 else "It was tested when it led"
        parts.append(
            f"<p>{when}: {_prose(tested(outcome).removeprefix('test '))} on the test set. Validation chose it, so its "
            "validation figure flatters it a little; this one doesn’t.</p>"
        )
    else:
        parts.append("<p>The test set was not used.</p>")
    if winner.directory is not None:
        parts.append(f"<p>Its run is in {_code(str(directory / winner.directory))}.</p>")
    if winner.overrides:
        parts.append(f"<p>To train it again:</p>\n<pre>{html.escape(shlex.join(outcome.command(winner)))}</pre>")
    parts.append(f"<p>{_prose(saved(outcome))}.</p>")
    return "\n".join(parts)


def _title(name: str, outcome: Outcome) -> str:
    kind, _, number = name.partition("_")
    of = f": {html.escape(outcome.objectives[int(number or 1) - 1].name)}" if len(outcome.objectives) > 1 else ""
    return EXPLAINED[kind][0] + (of if kind == "slices" else "")


def _section(name: str, title: str, images: Mapping[tuple[str, str], bytes]) -> str:
    _, alt, reading = EXPLAINED[name.partition("_")[0]]
    light, dark = (
        "data:image/png;base64," + base64.b64encode(images[name, theme]).decode() for theme in ("light", "dark")
    )
    source = f'<source media="(prefers-color-scheme: dark)" srcset="{dark}">'
    picture = f'<picture>{source}<img src="{light}" alt="{html.escape(alt)}"></picture>'
    return f'<section id="{name}">\n<h2>{title}</h2>\n<p>{reading}</p>\n<figure>{picture}</figure>\n</section>\n'


def _space(outcome: Outcome) -> str:
    rows = [
        [_code(name), _code(outcome.keys[name]) if name in outcome.keys else "", _values(span)]
        for name, span in outcome.spans.items()
    ]
    return _table(["parameter", "key", "values"], rows) if rows else "<p>No trial has any parameters yet.</p>"


def _values(span: Span) -> str:
    if span.choices:
        return ", ".join(map(_code, span.choices))
    ends = f"{setting_text(span.low)} to {setting_text(span.high)}"
    return ends + (", whole" if span.whole else "") + (", logarithmic" if span.log else "")


def _trials(outcome: Outcome) -> str:
    """All trials; the places that each column would put a row in are the row's variables, for the style to choose."""
    ranked = ranks(outcome)
    orders = _orders(outcome, [trial for _, trial in ranked])
    head = "".join(
        f'<th scope="col" role="columnheader"><span>{html.escape(name)}</span><label>'
        f'<input type="radio" name="by" id="by{i}"{" checked" * (i == 0)}>{html.escape(name)}</label></th>'
        for i, name in enumerate(columns(outcome))
    )
    best = outcome.best()
    body = []
    for rank, trial in ranked:
        places = ";".join(f"--o{i}:{order[trial.number]}" for i, order in enumerate(orders) if i)
        kind = f"{trial.state}{' best' if trial is best else ''}"
        first, number, *rest = map(_prose, cells(outcome, rank, trial))
        body.append(
            f'<tr role="row" class="{kind}" style="{places}"><td role="cell">{first}</td>'
            f'<th scope="row" role="rowheader">{number}</th>'
            + "".join(f'<td role="cell">{cell}</td>' for cell in rest)
            + "</tr>"
        )
    rows = "\n".join(body)
    return (
        f'<table role="table"><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">\n{rows}\n</tbody></table>'
    )


def _orders(outcome: Outcome, ranked: list[Trial]) -> list[dict[int, int]]:
    """For each column the place of each trial by it: values the best first, all else ascending, what is empty last."""
    found = [[*ranked], sorted(ranked, key=lambda trial: trial.number)]
    found += [sorted(ranked, key=partial(_by_setting, outcome, name)) for name in outcome.spans]
    found += [outcome.ranked(i) for i in range(len(outcome.objectives))]
    found.append(sorted(ranked, key=lambda trial: trial.epochs or math.inf))
    found.append(sorted(ranked, key=lambda trial: math.inf if trial.seconds is None else trial.seconds))
    found.append(sorted(ranked, key=lambda trial: trial.state))
    return [{trial.number: place for place, trial in enumerate(order)} for order in found]


def _by_setting(outcome: Outcome, name: str, trial: Trial) -> tuple[bool, float, str]:
    if name not in trial.settings:
        return True, 0.0, ""
    setting, choices = trial.settings[name], outcome.spans[name].choices
    text = setting_text(setting)
    if choices:
        return False, float(choices.index(text)) if text in choices else math.inf, text
    return False, float(setting) if isinstance(setting, int | float) else math.inf, text


def _failed(outcome: Outcome) -> str:
    failed = [trial for trial in outcome.trials if trial.state == "failed"]
    if not failed:
        return ""
    told = "".join(
        f"<li>Trial {trial.number}: {html.escape(trial.reason or 'it left no reason')}"
        + (f", in {_code(trial.directory)}</li>" if trial.directory else "</li>")
        for trial in failed
    )
    return f'<p>Failed, and why:</p>\n<ul class="trials">{told}</ul>'


def _table(head: list[str], rows: list[list[str]]) -> str:
    """Cells are HTML; the first column names the row."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _code(text: str) -> str:
    return f"<code>{html.escape(text)}</code>"


def _prose(text: str) -> str:
    """Text as HTML, with no line broken before a per cent sign."""
    return html.escape(text).replace(" %", f"{NBSP}%")
