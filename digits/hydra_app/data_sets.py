"""The data sets of `conf/data` by name. Hydra is imported when one is composed."""

from __future__ import annotations

from pathlib import Path

from digits.hydra_app.paths import conf_directory
from digits.runs.layout import RunError
from digits.runs.schema import RecordedData


def named_data_set(name: str) -> RecordedData:
    """The current section of a data set of `conf/data`; raises RunError where there is none of that name."""
    from digits.hydra_app.compose import compose_section

    choices = sorted(path.stem for path in Path(conf_directory(), "data").glob("*.yaml"))
    if name not in choices:
        raise RunError(f"there is no data set {name}; there is {', '.join(choices)}")
    return RecordedData.model_validate(compose_section(f"data/{name}"))
