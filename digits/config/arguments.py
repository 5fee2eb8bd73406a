"""What no schema knows, checked against the real signature of what is named. Imports it, and so perhaps torch."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from inspect import Parameter, Signature

from digits.config.check import GIVEN_LATER, OURS_TO_SET, SECTIONS
from digits.config.faults import ConfigError, Fault, TargetError, nearest
from digits.config.instantiate import HYDRAS_KEYS, as_tensor, signature_of, takes_tensor
from digits.config.schema import Experiment, described
from digits.config.trust import is_trusted
from digits.config.types import Target, Tree, targets_in

TRAINER = "lightning.pytorch.trainer.Trainer"

HANDED_ON = {"lightning.pytorch.loggers.TensorBoardLogger": "torch.utils.tensorboard.SummaryWriter"}
"""What hands arguments that it has no name for to another class."""

NOT_HANDED_ON = {"log_dir", "purge_step"}
"""Those of that class's that are set already."""

LIGHTNINGS = {"interval", "monitor"}
"""Keys of `scheduler` that are for Lightning, which tells the schedule when to step and what came of the epoch."""

FIRST = {"optimizer": 1, "scheduler": 1}
"""How many objects a section's target is given by position: an optimizer the parameters, a schedule the optimizer."""


def check_arguments(*experiments: Experiment) -> None:
    """Raise ConfigError for every target that isn't there, and every argument that one doesn't take, or lacks.

    For when all else is known to be right, since an import takes seconds. For a record nothing is imported but what it
    may name.
    """
    faults = [fault for experiment in experiments for fault in _faults(experiment)]
    if faults:
        raise ConfigError(*dict.fromkeys(faults))


def misfits(key: str, section: Tree, given_later: Collection[str] = (), first: int = 0) -> Iterator[Fault]:
    """What a section's target doesn't take or lacks, where it is built with some more arguments, the first by position.

    A name among those that are given later which it doesn't have is not given to it.
    """
    target = str(section["_target_"])
    try:
        signature = _whole_signature(target)
    except TargetError as error:
        yield Fault(f"{key}._target_", str(error))
        return
    if signature is None:
        return
    parameters = signature.parameters.values()
    kinds = {parameter.kind for parameter in parameters}
    in_order = [p.name for p in parameters if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    by_name = [p.name for p in parameters if p.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
    positional = section.get("_args_")
    count = first + (len(positional) if isinstance(positional, list) else 0)
    elsewhere = {*in_order[:count], *given_later}
    for name in [name for name in section if name not in HYDRAS_KEYS]:
        if name in by_name and name in elsewhere:
            own = name in given_later or name in in_order[:first]
            yield Fault(f"{key}.{name}", "is set by digits" if own else "stands in _args_ too")
        elif name not in by_name and Parameter.VAR_KEYWORD not in kinds:
            takes = [other for other in by_name if other not in elsewhere]
            yield Fault(f"{key}.{name}", f"{target} has no such argument{nearest(name, takes)}")
        elif isinstance(value := section[name], list) and name in by_name and takes_tensor(signature.parameters[name]):
            try:
                as_tensor(value)
            except TargetError as error:
                yield Fault(f"{key}.{name}", str(error))
    if count > len(in_order) and Parameter.VAR_POSITIONAL not in kinds:
        yield Fault(f"{key}._args_", f"has {count - len(in_order)} more than {target} takes")
    variadic = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    for p in parameters:
        if p.default is p.empty and p.kind not in variadic and p.name not in {*section, *elsewhere}:
            yield Fault(f"{key}.{p.name}", f"{target} needs this argument")


def _whole_signature(target: str) -> Signature | None:
    """A target's signature, with the arguments that it hands on to another class in place of its `**kwargs`."""
    signature, handed = signature_of(target), signature_of(HANDED_ON[target]) if target in HANDED_ON else None
    if signature is None or handed is None:
        return signature
    own = [p for p in signature.parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
    names = {p.name for p in own} | NOT_HANDED_ON
    others = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in handed.parameters.values() if p.name not in names]
    return signature.replace(parameters=[*own, *others])


def _faults(experiment: Experiment) -> Iterator[Fault]:
    recorded = experiment.resume is not None or experiment.config_from is not None
    for key, section in targets_in(experiment.tree()):
        if _is_described(section) or (recorded and not is_trusted(str(section["_target_"]), experiment.trust)):
            continue
        group = key.split(".")[0] if re.fullmatch(SECTIONS, key) else ""
        own = {name: value for name, value in section.items() if group != "scheduler" or name not in LIGHTNINGS}
        yield from misfits(key, own, GIVEN_LATER.get(group, ()), FIRST.get(group, 0))
    if further := experiment.trainer.model_extra:
        yield from misfits("trainer", {"_target_": TRAINER, **further}, OURS_TO_SET)


def _is_described(section: Tree) -> bool:
    """Whether a schema knows all that a section holds."""
    schema = described(section["_target_"])
    return schema is not Target and set(section) <= {f.alias or name for name, f in schema.model_fields.items()}
