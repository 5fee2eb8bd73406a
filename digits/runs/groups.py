"""Grouping of runs by their records: which differ only in the seed, and how the configurations differ. No torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from digits.config.files import shown
from digits.config.types import Value
from digits.runs.schema import RecordedConfig, RecordedTarget, RunRecord, TeacherOf

Pairs: TypeAlias = tuple[tuple[str, str], ...]  # dotted keys and their values, sorted by key

CHANGES_NO_RESULT = (
    *("seed", "resume", "config_from", "trust", "data.root", "data.mirrors", "logger", "test"),
    *("checkpoints", "checkpoint_minutes", "trainer.log_every_n_steps", "trainer.profiler", "trainer.find_lr"),
    *("trainer.enable_progress_bar", "trainer.enable_model_summary"),
)
"""The seed, and the keys without effect on results: how a run was started, paths, what was logged, tested and kept."""

ONLY_SHOW = {
    *("Dashboard", "LearningRateMonitor", "DeviceStatsMonitor"),
    *("ModelSummary", "RichModelSummary", "TQDMProgressBar", "RichProgressBar"),
}
"""Callbacks of this package and of Lightning that don't change the training."""

COUNT_OR_SHARE = {
    *("trainer.limit_train_batches", "trainer.limit_val_batches", "trainer.limit_test_batches"),
    *("trainer.overfit_batches", "trainer.val_check_interval"),
}
"""Keys for which Lightning reads 1 as one batch and 1.0 as all of them; for any other key they are equal."""

REPEATS = {
    "scheduler.max_lr": "optimizer.lr",
    "model.num_classes": "data.num_classes",
    "model.image_size": "data.image_size",
}
"""Keys that `conf/` interpolates from another key: where both have the same value, only the other key is shown."""

LONGEST, BEFORE = 48, 10  # characters of a value: the most that are shown, and the most before the difference

NOT_RECORDED = {"config": "not recorded"}  # for a line without a configuration, where others have one


def configuration_of(record: RunRecord) -> Pairs:
    """The recorded settings that a run's results depend on, without the seed; empty if its configuration is incomplete.

    Values are JSON. The weights of `init_from`, the teachers and the data are replaced by their checksums, so that
    their paths don't matter.
    """
    config = record.config
    if config is None or not config.whole:
        return ()
    tree = config.completed()
    if config.callbacks:
        kept = {name: part for name, part in config.callbacks.items() if part is None or not _only_shows(part)}
        tree["callbacks"] = {name: None if part is None else part.tree() for name, part in kept.items()}
    found = {key: text for key, text in _flat(tree) if matters(key) and ("." in key or text != "{}")}
    if len(config.augment) > 1:
        found["augment"] = _json([*config.augment])  # the order of transforms matters
    found |= {key: _json(value) for key, value in _origins(record, config)}
    return tuple(sorted(found.items()))


def matters(key: str) -> bool:
    """Whether a key of the configuration can affect results."""
    return not any(key == name or key.startswith(f"{name}.") for name in CHANGES_NO_RESULT)


def told_apart(overrides: Sequence[Pairs], configurations: Sequence[Pairs]) -> list[dict[str, str]]:
    """For each line of a table, the recorded settings that distinguish it where the overrides don't.

    A line is compared with those that have the same overrides, and with those whose records agree at every key that is
    overridden for any line. Values are as printed; a key that other lines have and this one lacks is `~key`.
    """
    typed = [{key: value for key, value in pairs if matters(key)} for pairs in overrides]
    recorded = [dict(pairs) for pairs in configurations]
    keys = sorted({key for pairs in typed for key in pairs})
    alike: dict[tuple[object, ...], list[int]] = {}
    for i, (pairs, tree) in enumerate(zip(typed, recorded, strict=True)):
        alike.setdefault(("typed", *sorted(pairs.items())), []).append(i)
        if tree:
            alike.setdefault(("recorded", *(_at(tree, key) or pairs.get(key) for key in keys)), []).append(i)
    found: list[dict[str, str]] = [{} for _ in recorded]
    for lines in alike.values():
        for i, differences in zip(lines, _differences([recorded[i] for i in lines]), strict=True):
            found[i] |= differences
    return found


def bare(text: str) -> str:
    """A JSON value as it is typed: a string without its quotes."""
    return str(json.loads(text)) if text.startswith('"') else text


def _origins(record: RunRecord, config: RecordedConfig) -> Iterator[tuple[str, Value]]:
    """The data, weights and teachers of a run, which its record identifies better than its configuration."""
    data = record.data
    if data.checksums:
        yield "data.checksums", hashlib.sha256(_json(dict(data.checksums)).encode()).hexdigest()[:12]
    elif data.train is not None:  # the user's own data set, without checksums
        yield "data.images", [data.train, data.val, data.test]
    yield "lengthened", list[Value](record.lengthened)
    if record.init_from.weights is not None:
        yield "init_from", record.init_from.weights[:12]
    known = map(_teacher, record.teachers) if record.teachers else config.teachers
    yield "teachers", list[Value](sorted(known))  # the order of teachers doesn't change their mean


def _teacher(teacher: TeacherOf) -> str:
    return str(teacher.run) if teacher.weights is None else teacher.weights[:12]


def _only_shows(callback: RecordedTarget) -> bool:
    package, _, name = (callback.target or "").rpartition(".")
    return name in ONLY_SHOW and package.startswith(("digits.training.", "lightning.pytorch.callbacks"))


def _flat(value: Value, path: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of a tree: its dotted key, and its value as JSON."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else key)
    else:
        yield path, _json(value if path in COUNT_OR_SHARE else _one_spelling(value))


def _one_spelling(value: Value) -> Value:
    """A value with whole floats as integers, so that 1 and 1.0 are equal."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_one_spelling(item) for item in value]
    if isinstance(value, dict):
        return {key: _one_spelling(item) for key, item in value.items()}
    return value


def _json(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _at(tree: dict[str, str], key: str) -> Pairs:
    """The recorded values at a key, or below it where it is a section."""
    return tuple((name, text) for name, text in tree.items() if name == key or name.startswith(f"{key}."))


def _differences(records: list[dict[str, str]]) -> list[dict[str, str]]:
    """For each record its values at the keys where not all records agree."""
    known = [record for record in records if record]
    keys = sorted({key for record in known for key in record})
    differing = [key for key in keys if len({record.get(key) for record in known}) > 1]
    for key, other in REPEATS.items():
        if key in differing and all(record.get(key) == record.get(other) for record in known):
            differing.remove(key)
    texts = {key: _printed(record[key] for record in known if key in record) for key in differing}
    others = NOT_RECORDED if known else {}
    return [_own(record, differing, texts) if record else others for record in records]


def _own(record: dict[str, str], differing: list[str], texts: dict[str, dict[str, str]]) -> dict[str, str]:
    """A record's values at the differing keys; what it lacks is named by the topmost key that it lacks."""
    found: dict[str, str] = {}
    for key in differing:
        section = key.rpartition(".")[0]
        if key in record:
            found[shown(key)] = texts[key][record[key]]
        # A section with another target has other keys
        elif f"{section}._target_" not in differing or not _at(record, section):
            parts = key.split(".")
            names = (".".join(parts[: i + 1]) for i in range(len(parts)))
            if lacking := next((name for name in names if not _at(record, name)), None):
                found[shown(f"~{lacking}")] = ""
    return found


def _printed(texts: Iterable[str]) -> dict[str, str]:
    """Values as printed: without quotes, and shortened around their difference unless two would then look alike."""
    texts = list(dict.fromkeys(texts))
    whole = [shown(bare(text)) for text in texts]
    letters = enumerate(zip(*whole, strict=False))
    same = next((i for i, found in letters if len(set(found)) > 1), min(map(len, whole))) if len(whole) > 1 else 0
    begin = max(0, same - BEFORE)
    cut = [text if len(text) <= LONGEST else _cut(text, begin) for text in whole]
    short = next((way for way in (cut, whole) if len(set(way)) == len(texts)), texts)
    return dict(zip(texts, short, strict=True))


def _cut(text: str, begin: int) -> str:
    end = begin + LONGEST
    return "…" * (begin > 0) + text[begin:end] + "…" * (end < len(text))
