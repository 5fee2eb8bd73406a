"""The HTML page of a search: its plots, its summary and its trials; plotly's script is embedded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from digits.plots import html, theme
from digits.runs.atomic import write_text
from digits.tuning import table
from digits.tuning.plots import plots_of
from digits.tuning.results import Outcome, outcome_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

READING = {
    "history": ("History", "Each dot is a complete trial; the line is the best so far."),
    "curves": ("Learning curves", "The objective after each epoch, one line per trial; dotted lines are not complete."),
    "pareto": ("Pareto front", "Red: the trials that no other beats in one objective without losing in another."),
    "parallel": ("Parallel coordinates", "Each line is a complete trial; a stronger colour means a better one. Where "
                 "strong lines meet, that parameter’s value matters. “None”: the trial does not have the parameter."),
    "importances": ("Importances", "How much a parameter’s values differ between the best trials and all complete "
                    "ones (PED-ANOVA, Watanabe et al. 2023); their sum is 1. With few trials they are partly chance."),
    "slices": ("Slices", "The objective against one parameter at a time; a stronger colour means a later trial. "
               "If the best values are at the edge of a plot, a wider range may be better."),
}  # fmt: skip
"""The heading of each kind of plot, and how to read it."""


def write_page(study: optuna.Study, directory: Path) -> Path:
    """Write the page into a search's directory; returns its path. Raises StorageError if it can't be written."""
    path = directory / "search.html"
    write_text(path, make_page(study, directory))
    return path


def make_page(study: optuna.Study, directory: Path) -> str:
    """The page as HTML."""
    from plotly.offline import get_plotlyjs

    outcome = outcome_of(study)
    aims = " and ".join(f"the {'highest' if aim.maximize else 'lowest'} {aim.name}" for aim in outcome.objectives)
    sections = [_section(name, drawn, outcome) for name, drawn in plots_of(study).items()]
    rows = [map(html.text, table.cells(outcome, rank, trial)) for rank, trial in table.ranks(outcome)]
    trials = html.table(map(html.text, table.columns(outcome)), rows)
    order = "<p>The best first; in brackets the value of a pruned trial when it was pruned, not a result.</p>"
    sections.append(html.section("trials", "All trials", order, f'<div class="broad">{trials}</div>'))
    header = [
        f"<h1>{html.text(outcome.name)}</h1>",
        f'<p class="lead">A search for {html.text(aims)}. {html.text(table.counted(outcome))}.</p>',
        f"<pre>{html.text(table.closing(outcome, directory))}</pre>",
        html.contents("\n".join(sections)),
        f"<script>{get_plotlyjs()}</script>",
    ]
    return html.page(f"{outcome.name}, a search", "\n".join([*header, *sections]))


def _section(name: str, drawn: list[Figure] | str, outcome: Outcome) -> str:
    kind, _, place = name.partition("_")
    heading, reading = READING[kind]
    if place and len(outcome.objectives) > 1:
        heading += f": {html.text(outcome.objectives[int(place)].name)}"
    if isinstance(drawn, str):
        return html.section(name, heading, f"<p>{drawn}</p>")
    plots = "\n".join(_embedded(figure, f"{name}_plot_{i}") for i, figure in enumerate(drawn))
    layout = {"parallel": "wide broad", "slices": "broad grid"}.get(kind, "")
    return html.section(name, heading, f"<p>{reading}</p>", f'<div class="{layout}">{plots}</div>')


def _embedded(figure: Figure, name: str) -> str:
    """A figure in the colours of the theme, as HTML; the page must have plotly's script before it."""
    from plotly.io import to_html

    figure.update_layout(
        template="none", title=None, height=380, margin={"l": 70, "r": 20, "t": 40, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(38,36,31,.06)",  # makes the palest dots and lines visible
        font={"color": theme.INK, "family": "system-ui, sans-serif"}, colorway=[theme.BLUE, theme.ACCENT],
        legend={"orientation": "h", "y": 1, "yanchor": "bottom"},
    )  # fmt: skip
    figure.update_xaxes(gridcolor=theme.FAINT, zeroline=False, automargin=True, title_standoff=8)
    figure.update_yaxes(gridcolor=theme.FAINT, zeroline=False, automargin=True)
    figure.update_traces(marker_showscale=False, selector={"type": "scatter"})
    config = {"displayModeBar": False, "responsive": True}
    return f'<div class="plot">{to_html(figure, config, include_plotlyjs=False, full_html=False, div_id=name)}</div>'
