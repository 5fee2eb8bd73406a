"""Keys that aren't there: what was meant is looked for in what was chosen."""

from __future__ import annotations

import pytest
from hydra import initialize_config_dir

from digits.config.faults import ConfigError
from digits.hydra_app.compose import Composer, chosen
from digits.hydra_app.hints import no_such_key
from digits.hydra_app.paths import conf_directory

CASES = [
    (["model=mlp"], "model.hiden", "did you mean hidden?"),
    ([], "model.stage", "did you mean stages?"),
    (["optimizer=sgd"], "optimizer.momntum", "did you mean momentum?"),
    (["scheduler=cosine"], "scheduler.eta", "did you mean eta_min?"),
    (["experiment=mlp_best"], "model.hiden", "did you mean hidden?"),
    (["callbacks=dashboard"], "callbacks.early_stopping.patience", "there is dashboard"),
    ([], "lr", "did you mean optimizer.lr?"),
    ([], "max_epochs", "did you mean trainer.max_epochs?"),
    ([], "patience", "did you mean callbacks.early_stopping.patience?"),
    ([], "num_classes", "did you mean data.num_classes or model.num_classes?"),
    ([], "model.lr", "did you mean optimizer.lr?"),
    ([], "modle.dropout", "did you mean model?"),
]


@pytest.mark.parametrize(("groups", "key", "told"), CASES)
def test_hints_are_of_the_chosen_groups(groups: list[str], key: str, told: str) -> None:
    """In a run, before which Hydra refuses the key, and in the jobs of a sweep and the trials of a search."""
    assert told in no_such_key(key, chosen("train", [*groups, "seed=0,1", f"{key}=1"])).problem
    with initialize_config_dir(conf_directory(), version_base="1.3"), pytest.raises(ConfigError, match=key) as error:
        Composer("train")([*groups, f"{key}=1"])
    assert told in str(error.value)


def test_a_search_has_keys_of_its_own() -> None:
    assert "did you mean trials?" in no_such_key("tune.trals", chosen("tune", ["model=mlp"])).problem


@pytest.mark.parametrize(
    ("key", "added"),
    [("optimizer.eps", "torch.optim.AdamW"), ("trainer.limit_train_batches", "Lightning's Trainer"), ("model.x", "")],
)
def test_how_an_argument_is_added_where_a_class_has_more(key: str, added: str) -> None:
    problem = no_such_key(key, chosen("train", [])).problem
    assert (f"another argument of {added} is added with +{key}" in problem) == bool(added)
