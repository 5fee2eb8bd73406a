"""Measure a trained net on a data set: figures of merit in the terminal, pictures in the run's directory.

    python -m digits.evaluate                                the latest run that is done, on its test split
    python -m digits.evaluate RUN --split val
    python -m digits.evaluate RUN --checkpoint last --json
    python -m digits.evaluate RUN --data fashion_mnist

The net and, unless --data names another set, the data are those that the run recorded; the pixels are always
normalised as the net was trained. Leaves `RUN/evaluation/DATA-SPLIT/`: evaluation.json, confusion_matrix.png,
class_accuracy.png, worst_mistakes.png and reliability.png.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from digits.config.check import ConfigError
from digits.config.files import FileError, check_stays_inside
from digits.config.harmful import harmful
from digits.config.schema import Data
from digits.config.targets import TargetError, is_trusted, untrusted
from digits.config.tree import Tree, Value
from digits.training.run import BEST, LAST, MODEL, RESULT, RunError, find_run, read_model, read_result

NEEDED = ("name", "root", "mean", "std", "num_classes", "image_size", "val_size", "split_seed")
"""What the data section of a DataModule from elsewhere has to say."""


@dataclass(frozen=True)
class Plan:
    """What is evaluated on what."""

    run: Path
    model: Tree  # as in model.json
    weights: Path
    data: Tree  # a section of the configuration
    split: str
    channels_last: bool
    folder: Path


def plan(given: argparse.Namespace) -> Plan:
    """Settle everything that can be settled without torch; raises RunError or FileError when something can't be."""
    run = find_run(given.run)
    record = read_result(run)
    config = record.get("config")
    if not isinstance(config, dict) or not isinstance(config.get("data"), dict):
        raise RunError(f"{run / RESULT} has no configuration, so the run's data are not known")
    trained_on = cast(Tree, config["data"])
    _check_data(trained_on)
    weights, model = _net(run, config, given.checkpoint)
    takes = cast(Tree, model["input"])
    today = _named(given.data or "mnist", trained_on)
    data = today if given.data else trained_on
    _check_trust({"data": data}, RESULT, given.trust)
    _check_trust(model, MODEL if given.checkpoint is None else RESULT, given.trust)
    data = data | {"mean": takes["mean"], "std": takes["std"], "root": given.root or _root(data, today)}
    if "mirrors" in data:  # a record names no server: who made it would learn of it, and could send without end
        data["mirrors"] = today["mirrors"]
    classes = takes.get("classes", [])
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise RunError(f"{run / MODEL} is damaged: input.classes are no names")
    number = len(classes) or trained_on["num_classes"]
    if (data["image_size"], data["num_classes"]) != (takes["image_size"], number):
        raise RunError(
            f"{data['name']} has {data['num_classes']} classes of {data['image_size']}x{data['image_size']} pixels, "
            f"but the net takes {takes['image_size']}x{takes['image_size']} and knows {number} classes"
        )
    if given.split == "val" and not data["val_size"]:
        raise RunError(f"{run} has no validation split (data.val_size is 0); take --split test")
    name = f"{data['name']}-{given.split}" + ("-last" if given.checkpoint == "last" else "")
    folder = given.out or run / "evaluation" / name
    if given.out is None:
        check_stays_inside(folder, run)
    trainer = config.get("trainer")
    channels_last = isinstance(trainer, dict) and trainer.get("channels_last") is True
    return Plan(run, model, weights, data, given.split, channels_last, folder)


def _net(run: Path, config: Tree, checkpoint: str | None) -> tuple[Path, Tree]:
    """The weights, and what is needed to rebuild the net; a checkpoint will do for a run that was cut off."""
    if checkpoint is None:
        try:
            return run, read_model(run)
        except RunError as error:
            kept = [name for name, path in (("best", BEST), ("last", LAST)) if (run / path).exists()]
            raise RunError(f"{error}" + (f"; take --checkpoint {kept[0]}" if kept else "")) from None
    weights = run / {"best": BEST, "last": LAST}[checkpoint]
    if not weights.exists():
        hint = "; its best weights are in model.safetensors: leave out --checkpoint" if checkpoint == "best" else ""
        raise RunError(f"{run} did not keep its {checkpoint} checkpoint (there is no {weights.name}){hint}")
    data = cast(Tree, config["data"])
    return weights, {"model": config.get("model"), "input": {k: data[k] for k in ("mean", "std", "image_size")}}


def _named(name: str, trained_on: Tree) -> Tree:
    """A set of conf/data; the run's own with the run's split, so that nothing it was trained on is validated on."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from digits.launch import conf_directory

    choices = sorted(path.stem for path in Path(conf_directory(), "data").glob("*.yaml"))
    if name not in choices:
        raise RunError(f"there is no data set {name}; there is {', '.join(choices)}")
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        data = cast(Tree, OmegaConf.to_container(compose(f"data/{name}").data, resolve=True))
    same = data["name"] == trained_on["name"]
    return data | {key: trained_on[key] for key in ("val_size", "split_seed") if same}


def _root(data: Tree, today: Tree) -> Value:
    """Where the data lie: where they were, if they still do; so nothing is fetched into a folder that a file names."""
    recorded, name = Path(str(data["root"])), str(data["name"]).replace("_", "")
    try:
        there = any(path.name.lower() == name for path in recorded.iterdir())
    except OSError:
        there = False
    return str(recorded) if there else today["root"]


def _check_data(data: Tree) -> None:
    """Hold the recorded section against its schema: by its name a folder is made, by its sizes the data are split."""
    faults = []
    if is_trusted(str(data.get("_target_"))):
        try:
            Data.model_validate(data)
        except ValidationError as error:
            for fault in error.errors():
                key = ".".join(map(str, ("data", *fault["loc"])))
                faults.append(f"{key} is {fault['input']!r:.80}; {fault['msg'][0].lower()}{fault['msg'][1:]}")
    elif missing := [key for key in NEEDED if key not in data]:
        faults.append(f"data.{missing[0]} is missing")
    elif not re.fullmatch(r"\w[\w .-]*", str(data["name"])):
        faults.append(f"data.name is {data['name']!r:.80}; a folder is called by it, so take letters, digits and _")
    if faults:
        raise RunError("\n".join(f"{RESULT}: {fault}" for fault in faults))


def _check_trust(tree: Tree, file: str, trust: Sequence[str]) -> None:
    for _, target in untrusted(tree, trust):
        package = target.partition(".")[0]
        raise RunError(f"{file} names {target}, which is not of this package; if you trust it, say --trust {package}")
    for key, problem in harmful(tree):
        raise RunError(f"{file}: {key} {problem}")


def run_plan(chosen: Plan, trust: Sequence[str], *, as_json: bool) -> None:
    """Evaluate, print and leave the files."""
    from digits.training.evaluation import as_text, evaluate, leave, other_names, read_data, rebuild

    net = rebuild(chosen.model, chosen.weights, tuple(trust), channels_last=chosen.channels_last)
    try:
        data = read_data(chosen.data, tuple(trust))
    except (RunError, TargetError):
        raise
    except ValueError as error:  # a split of a size or by a seed that the schema can't know to be too large
        raise RunError(f"{RESULT}: {error}") from None
    scores, pictures = evaluate(net, data, chosen.split)
    classes = cast(dict[str, list[str]], chosen.model["input"]).get("classes", [])
    notes = other_names(classes, data.classes, data.name)
    if data.limit is not None:
        notes.append(f"only the first {len(data.split(chosen.split)):,} images: the run has data.limit={data.limit}")
    which = "last" if chosen.weights.name == Path(LAST).name else "best"
    tree: Tree = {
        "format": 1,
        "run": str(chosen.run),
        "weights": which,
        "data": chosen.data,
        "split": chosen.split,
        "notes": list[Value](notes),
        **scores.tree(),
        "folder": str(chosen.folder),
    }
    leave(chosen.folder, tree, pictures)
    if as_json:
        print(json.dumps(tree, indent=2, ensure_ascii=False))
        return
    title = f"{chosen.run}: {which} weights on the {chosen.split} split of {data.name}"
    print(f"{as_text(scores, title, notes)}\n\npictures  {chosen.folder}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        "python -m digits.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", nargs="?", help="a run's directory (default: the latest that is done)")
    parser.add_argument("--data", metavar="SET", help="another set of conf/data, whole (default: the run's own)")
    parser.add_argument("--split", choices=["test", "val"], default="test", help="which images (default: test)")
    parser.add_argument("--checkpoint", choices=["best", "last"], help="weights of a checkpoint, also of a run that "
                        "was cut off (default: model.safetensors, the best)")  # fmt: skip
    parser.add_argument("--root", metavar="DIR", help="folder that holds the data sets")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where the files go (default: inside RUN)")
    parser.add_argument("--trust", metavar="PACKAGE", action="append", default=[], help="a package of your own that "
                        "the run's net or data come from")  # fmt: skip
    given = parser.parse_args(arguments)
    try:
        chosen = plan(given)
    except (RunError, ConfigError, FileError) as error:
        print(error, file=sys.stderr)
        return 2

    from digits.data.datasets import DataError

    try:
        run_plan(chosen, given.trust, as_json=given.json)
    except (RunError, ConfigError, TargetError) as error:
        print(error, file=sys.stderr)
        return 2
    except (DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
