"""Targets and arguments without a schema, checked against the target's signature. Imports it, and so perhaps torch."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from inspect import Parameter, Signature

from digits.config.check import GIVEN_LATER, OURS_TO_SET, SECTIONS
from digits.config.faults import ConfigError, Fault, TargetError, nearest
from digits.config.instantiate import HYDRAS_KEYS, as_tensor, resolve, signature_of, takes_tensor
from digits.config.schema import Experiment, described
from digits.config.trust import is_trusted
from digits.config.types import Target, Tree, Value, targets_in

TRAINER = "lightning.pytorch.trainer.Trainer"

HANDED_ON = {"lightning.pytorch.loggers.TensorBoardLogger": "torch.utils.tensorboard.SummaryWriter"}
"""Classes that pass unknown arguments on, each with the class that receives them."""

NOT_HANDED_ON = {"log_dir", "purge_step"}  # arguments of the receiving class that are set already

LIGHTNINGS = {"interval", "monitor"}  # keys of `scheduler` for Lightning: when to step, and by which metric

FIRST = {"optimizer": 1, "scheduler": 1}
"""How many objects a section's target is given by position: an optimizer the parameters, a schedule the optimizer."""


def check_arguments(*experiments: Experiment) -> None:
    """Raise ConfigError for every target that doesn't exist, and every argument that is unknown or missing.

    Call it when all other checks have passed, since an import takes seconds. Of a record's targets only the trusted
    ones are imported.
    """
    faults = [fault for experiment in experiments for fault in _faults(experiment)]
    if faults:
        raise ConfigError(*dict.fromkeys(faults))


def misfits(key: str, section: Tree, given_later: Collection[str] = (), first: int = 0) -> Iterator[Fault]:
    """Arguments of a section that its target doesn't take, and required ones that the section lacks.

    The target is built with further arguments: the `first` ones by position, those in `given_later` by name. A name in
    `given_later` that the target doesn't have is not passed to it.
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
            yield Fault(f"{key}.{name}", "is set by digits" if own else "is in _args_ too")
        elif name not in by_name and Parameter.VAR_KEYWORD not in kinds:
            takes = [other for other in by_name if other not in elsewhere]
            yield Fault(f"{key}.{name}", f"{target} has no such argument{nearest(name, takes)}")
        elif name in by_name and takes_tensor(signature.parameters[name]):
            yield from _no_tensor(f"{key}.{name}", section[name])
    if count > len(in_order) and Parameter.VAR_POSITIONAL not in kinds:
        yield Fault(f"{key}._args_", f"has {count - len(in_order)} more than {target} takes")
    variadic = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    for p in parameters:
        if p.default is p.empty and p.kind not in variadic and p.name not in {*section, *elsewhere}:
            yield Fault(f"{key}.{p.name}", f"{target} needs this argument")


def _no_tensor(key: str, value: Value) -> Iterator[Fault]:
    """A value that makes no tensor, for an argument that is one."""
    if isinstance(value, list):
        try:
            as_tensor(value)
        except TargetError as error:
            yield Fault(key, str(error))
    elif value is not None:  # what a function would build for the command, no record could
        yield Fault(key, f"is {value!r}; it takes a tensor, which is given as a list of numbers")


def _whole_signature(target: str) -> Signature | None:
    """A target's signature, with the arguments that it passes on to another class in place of its `**kwargs`."""
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
        lightnings = LIGHTNINGS if waits_for_plateau(str(section["_target_"])) else {"interval"}
        own = {name: value for name, value in section.items() if group != "scheduler" or name not in lightnings}
        yield from misfits(key, own, GIVEN_LATER.get(group, ()), FIRST.get(group, 0))
    if further := experiment.trainer.model_extra:
        yield from misfits("trainer", {"_target_": TRAINER, **further}, OURS_TO_SET)


def waits_for_plateau(target: str) -> bool:
    """Whether a schedule is torch's ReduceLROnPlateau or a subclass of it."""
    try:
        found = resolve(target)
    except TargetError:  # reported by `misfits`
        return False
    return isinstance(found, type) and any(base.__name__ == "ReduceLROnPlateau" for base in found.__mro__)


def _is_described(section: Tree) -> bool:
    """Whether a schema describes every key of a section."""
    schema = described(section["_target_"])
    return schema is not Target and set(section) <= {f.alias or name for name, f in schema.model_fields.items()}
