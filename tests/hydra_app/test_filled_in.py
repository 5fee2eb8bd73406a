"""What Hydra fills in, in its own section and in the overrides that a run is known by."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from digits.hydra_app.hooks import check_filled_in
from digits.hydra_app.job import typed
from digits.hydra_app.paths import conf_directory


def whole(*overrides: str) -> DictConfig:
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        return compose("train", overrides=list(overrides), return_hydra_config=True)


@pytest.mark.parametrize(
    "override", ["hydra.sweep.subdir=${nope}", "hydra.sweep.dir=${oc.env:NOPE_}", "hydra.launcher.x=${nope}"]
)
def test_what_can_not_be_filled_in_is_found_before_the_first_job(override: str) -> None:
    with pytest.raises(OmegaConfBaseException):
        check_filled_in(whole(override if "launcher" not in override else f"+{override}"))


def test_what_each_job_fills_in_is_left_to_it() -> None:
    check_filled_in(whole())
    check_filled_in(whole("hydra.sweep.subdir=${hydra.job.override_dirname}"))


@pytest.mark.parametrize(
    "override",
    ["optimizer.weight_decay=${.lr}", "data.root=${oc.env:HOME,x}/a", "seed=1", "model.hidden=[1,2]", "data.root=a"],
)
def test_a_job_of_a_sweep_is_known_by_what_was_typed(override: str) -> None:
    """Hydra's sweeper escapes the braces of what it hands to its jobs."""
    parsed = OverridesParser.create().parse_overrides([override])
    [[job]] = BasicSweeper.split_arguments(parsed, None)
    assert typed(OmegaConf.create(job)) == [override]
