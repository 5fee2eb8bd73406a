"""The evaluation of a page detector: pages read as the reader reads them; metrics as text and data, and drawn pages."""

from __future__ import annotations

from pathlib import Path

from digits.config.task import DETECTION
from digits.config.types import Tree, Value
from digits.evaluating import dataset, load, page_figures
from digits.evaluating.evaluation import leave
from digits.evaluating.judge import Judgement
from digits.evaluating.members import Member
from digits.evaluating.pages import PagesScores, by_layout, find_on_pages, total
from digits.evaluating.plan import Question
from digits.evaluating.scores import wilson_interval
from digits.runs.table import Table


def judge(member: Member, asked: Question, folder: Path) -> Judgement:
    """Rebuild a detector, evaluate it on the pages of a split, and write the files to a folder.

    Raises RunError and TargetError for faults in a run's files, DataError for data that can't be read, OSError for
    files that can't be written.
    """
    net = load.rebuild(member, asked.trust)
    data, pages = dataset.read_pages(member.data, asked.split, asked.trust)
    scores = find_on_pages(net, pages.pages)
    whole, layouts = total(scores), by_layout(scores)
    notes = [f"only the first {len(pages.pages):,} pages: data.limit is {data.limit}"] if data.limit is not None else []
    tree: Tree = {
        "format": 1,
        "run": str(member.run),
        "task": member.task,
        "net": type(net).__name__,
        "parameters": sum(p.numel() for p in net.parameters()),
        "weights": member.which,
        "weights_sha256": member.sha256,
        "data": member.data.tree(),
        "split": asked.split,
        "notes": list[Value](notes),
        **whole.tree(),
        "interval": list[Value](wilson_interval(whole.perfect, whole.pages)),
        "layouts": {layout: counted.tree() for layout, counted in layouts.items()},
        "folder": str(folder),
    }
    leave(folder, tree, {name: page_figures.png(picture) for name, picture in page_figures.pictures(scores).items()})
    title = f"{member.run}: {member.which} weights on the {asked.split} pages of {data.name}"
    lines = [title, *(f"note: {note}" for note in notes), "", as_text(whole, layouts), "", f"pictures  {folder}"]
    return Judgement(tree, "\n".join(lines))


def as_text(whole: PagesScores, layouts: dict[str, PagesScores]) -> str:
    """The metrics of all pages, and the counts by layout."""
    low, high = wilson_interval(whole.perfect, whole.pages)
    meanings = {
        "pages": f"95% interval {low:.2%} to {high:.2%}; {whole.perfect:,} of {whole.pages:,} read without a fault",
        "recall": f"{whole.hits:,} of {whole.sought:,} digits found",
        "precision": f"{whole.hits:,} of {whole.hits + whole.false:,} finds are digits",
        "accuracy": f"{whole.correct:,} of {whole.hits:,} digits found are classified correctly",
    }
    named = [metric.name for metric in DETECTION.headline if metric.name in meanings]
    metrics = [[name, f"{whole.metrics[name]:.2%}", meanings[name]] for name in named]
    counted = [*layouts.items(), ("all", whole)]
    rows = [
        [name, *(f"{n:,}" for n in (s.perfect, s.pages, s.sought, s.missed, s.wrong, s.false))] for name, s in counted
    ]
    headers = ("layout", "pages right", "of", "digits", "missed", "wrong class", "false")
    return f"{Table((), metrics, 'lrl').text()}\n\n{Table(headers, rows).text()}"
