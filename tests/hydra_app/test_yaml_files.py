"""Folders of YAML that a user names: their files are read before shipped ones of the same name, and that is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal import config_loader_impl
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf

from digits.config.faults import ConfigError
from digits.hydra_app.compose import Composer
from digits.hydra_app.help import help_text
from digits.hydra_app.paths import as_path, conf_directory
from digits.hydra_app.search_path import NamedFolders, Repository, composes_jobs, looking
from digits.hydra_app.yaml_files import guard_hydra

MLP = "_target_: digits.models.MLP\nimage_size: 8\nnum_classes: 10\nhidden: [7]\ndropout: 0.0\n"

Guard = Callable[..., list[str]]
Composed = Callable[..., DictConfig]


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


@pytest.fixture
def told() -> list[str]:
    """What was said of files that stand in for shipped ones."""
    return []


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch, told: list[str]) -> Iterator[Guard]:
    """What a command does with its arguments before it calls Hydra; undone after the test."""
    Plugins.instance()
    monkeypatch.setattr(config_loader_impl, "ConfigRepository", vars(config_loader_impl)["ConfigRepository"])
    monkeypatch.setitem(SourcesRegistry.instance().types, "file", SourcesRegistry.instance().resolve("file"))
    for name in ("tell", "quiet"):
        monkeypatch.setattr(Repository, name, getattr(Repository, name))
    monkeypatch.setattr(NamedFolders, "named", [])
    yield lambda *arguments: guard_hydra(list(arguments), conf_directory(), told.append)
    NamedFolders.named = []


@pytest.fixture
def composed(guard: Guard) -> Composed:
    """What a command line composes."""

    def compose_it(*arguments: str, config: str = "train", folder: str | None = None) -> DictConfig:
        overrides = [o for o in guard(*arguments) if "=" in o and not o.startswith("-")]
        with initialize_config_dir(folder or conf_directory(), version_base="1.3"):
            return compose(config, overrides=overrides, return_hydra_config=True)

    return compose_it


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def own_primary(name: str, **values: object) -> str:
    """The shipped primary config with other values."""
    config = OmegaConf.load(Path(conf_directory(), f"{name}.yaml"))
    for key, value in values.items():
        OmegaConf.update(config, key.replace("__", "."), value, force_add=True)
    return OmegaConf.to_yaml(config)


def test_overrides_come_first_wherever_they_stood(guard: Guard) -> None:
    assert guard("model=mlp", "-m", "seed=0,1") == ["model=mlp", "seed=0,1", "-m"]
    assert guard("a=b", "--config-dir", "a=b", "c=d") == ["a=b", "c=d", "--config-dir", "a=b"]


@pytest.mark.parametrize(
    ("file", "text", "override", "key", "value"),
    [
        ("model/mlp", MLP, "model=mlp", "model.hidden", [7]),
        ("model/cnn", MLP, "seed=0", "model.hidden", [7]),  # the one that is chosen where none is named
        ("optimizer/adam", "_target_: torch.optim.Adam\nlr: 0.5\n", "optimizer=adam", "optimizer.lr", 0.5),
        ("experiment/cnn_best", "# @package _global_\nseed: 77\n", "experiment=cnn_best", "seed", 77),
        ("hydra/launcher/side_by_side", "defaults: [joblib, _self_]\nn_jobs: 1\n", "hydra/launcher=side_by_side",
         "hydra.launcher.n_jobs", 1),
        ("hydra/help/default", "app_name: mine\n", "seed=0", "hydra.help.app_name", "mine"),
        ("train", own_primary("train", seed=5), "test=false", "seed", 5),
    ],
    ids=["group", "default", "optimizer", "experiment", "launcher", "hydra", "primary"],
)  # fmt: skip
@pytest.mark.parametrize(
    "flag", ["--config-dir mine", "--config-dir=mine", "-cd mine", "--config-d mine", "hydra.searchpath=[mine]"]
)
def test_the_users_file_is_the_one_that_is_read(
    mine: Path,
    composed: Composed,
    told: list[str],
    flag: str,
    file: str,
    text: str,
    override: str,
    key: str,
    value: object,
) -> None:
    write(mine, f"{file}.yaml", text)
    found = composed(*flag.split(), override)
    assert OmegaConf.select(found, key) == value
    assert told == [f"mine/{file}.yaml stands in for the shipped {file}.yaml"]
    sources = [source.path for source in found.hydra.runtime.config_sources]
    assert len(sources) == len(set(sources)), "no folder twice"


def test_a_folder_may_be_anywhere(
    mine: Path, composed: Composed, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(mine, "model/mlp.yaml", MLP)
    monkeypatch.setenv("HOME", str(mine.parent))
    elsewhere = mine.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (mine.parent / "a b,c=[d]").symlink_to(mine)
    for flag, shown in (
        (f"--config-dir={mine}", mine),
        ("--config-dir=~/mine", mine),
        ("--config-dir=../mine", mine),
        (f"hydra.searchpath=[file://{mine}]", mine),
        ("hydra.searchpath=['~/mine']", mine),
        (as_path("hydra.searchpath=[../mine]"), mine),
        (as_path("hydra.searchpath=[../a b,c=[d]]"), mine.parent / "a b,c=[d]"),
        ("--config-dir=../a b,c=[d]", mine.parent / "a b,c=[d]"),
    ):
        assert composed(flag, "model=mlp").model.hidden == [7], flag
        assert told == [f"{shown}/model/mlp.yaml stands in for the shipped model/mlp.yaml"], flag
        told.clear()


def test_a_folder_that_the_primary_config_names_comes_first_too(
    mine: Path, composed: Composed, told: list[str]
) -> None:
    write(mine, "train.yaml", own_primary("train", hydra__searchpath=["more"]))
    write(mine.parent, "more/model/mlp.yaml", MLP)
    assert composed("-cd", "mine", "model=mlp").model.hidden == [7]
    assert [line.split()[0] for line in told] == ["mine/train.yaml", "more/model/mlp.yaml"]


def test_of_two_folders_that_the_user_names_hydras_order_decides(mine: Path, composed: Composed) -> None:
    write(mine, "model/mlp.yaml", MLP)
    write(mine.parent, "more/model/mlp.yaml", MLP.replace("7", "8"))
    assert composed("-cd", "mine", "hydra.searchpath=[more]", "model=mlp").model.hidden == [7]
    assert composed("hydra.searchpath=[more,mine]", "model=mlp").model.hidden == [8]


def test_ones_own_main_folder_is_before_the_shipped_that_it_searches(mine: Path, composed: Composed) -> None:
    """As --config-path gives it."""
    write(mine, "train.yaml", own_primary("train", hydra__searchpath=[conf_directory()]))
    write(mine, "model/mlp.yaml", MLP)
    found = composed("model=mlp", folder=str(mine))
    assert (found.model.hidden, found.optimizer._target_) == ([7], "torch.optim.AdamW")


def test_what_stands_in_for_nothing_says_nothing(mine: Path, composed: Composed, told: list[str]) -> None:
    write(mine, "model/narrow.yaml", MLP)
    write(mine, "model/cnn.yaml", MLP)
    assert composed("-cd", "mine", "model=narrow").model.hidden == [7]
    assert told == [], "a new name, and a file that is not used"
    (mine.parent / "linked").symlink_to(conf_directory())
    for shipped in (conf_directory(), "linked"):
        composed("-cd", shipped, "model=mlp")
        composed(f"hydra.searchpath=[{shipped}]", "model=mlp")
        assert told == [], "the shipped files themselves"


def test_each_file_is_told_once_and_not_what_is_only_looked_at(mine: Path, guard: Guard, told: list[str]) -> None:
    write(mine, "model/mlp.yaml", MLP)
    write(mine, "model/cnn.yaml", MLP)
    guard("-cd", "mine", "-m", "model=mlp,logistic")
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        compose("train")  # Hydra composes a sweep with what none of its jobs may use
        assert told == []
        composes_jobs()
        with looking():
            compose("train")
        for job in (["model=mlp"], ["model=logistic"], ["model=mlp", "seed=1"]):
            compose("train", overrides=job)
        assert told == ["mine/model/mlp.yaml stands in for the shipped model/mlp.yaml"]
    guard("-cd", "mine", "-sc", "query=bash")
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        compose("train")
    assert len(told) == 1, "the shell completes in silence"


def test_jobs_are_composed_with_the_folders_that_only_the_command_or_its_config_names(mine: Path, guard: Guard) -> None:
    """From their own overrides, as a sweep's jobs and a search's trials are."""
    write(mine, "model/mlp.yaml", MLP)
    write(mine, "extra/more.yaml", "# @package _global_\nseed: 77\n")
    guard("hydra.searchpath=[mine]", "model=mlp")
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        made = Composer("train")(["model=mlp", "+extra=more", "model.dropout=0.5"])
    assert (made.model.hidden, made.model.dropout, made.seed) == ([7], 0.5, 77)
    write(mine.parent, "own/train.yaml", own_primary("train", hydra__searchpath=["mine"]))
    guard("-cd", "own")
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        made = Composer("train")(["model=mlp", "+extra=more"])
    assert (made.model.hidden, made.seed) == ([7], 77)


@pytest.mark.parametrize(
    ("file", "defaults"),
    [
        ("model/mlp", "[mlp, _self_]"), ("model/mlp", "[/model/mlp, _self_]"), ("model/mlp", "[{/model: mlp}, _self_]"),
        ("model/mlp", "[{/model: [logistic, mlp]}, _self_]"), ("train", "[train, _self_]"),
        ("train", "[train.yaml, _self_]"),
    ],
)  # fmt: skip
def test_a_file_that_would_build_on_itself_is_one_sentence(
    mine: Path, composed: Composed, file: str, defaults: str
) -> None:
    write(mine, f"{file}.yaml", f"defaults: {defaults}\n")
    name = file.split("/")[-1]
    with pytest.raises(
        ConfigError, match=rf"^mine/{file}.yaml: names {name} in its defaults list, .* rename this one$"
    ):
        composed("-cd", "mine", "model=mlp")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"a: [1", "line 1"),
        (b"a: *b", "alias"),
        (b"a: &a [*a]", "recursion"),
        (b"a: " + b"[" * 100_000, "recursion|nest"),
        (b"a: \0", "x0000"),
        (b"a: \xff", "0xff"),
        (b"a: 1\na: 2", "duplicate"),
        (b"a: !!python/object/apply:os.system [id]", "os.system"),
    ],
    ids=lambda part: None if isinstance(part, str) else part[:20],
)
def test_yaml_that_can_not_be_read_is_one_sentence(mine: Path, composed: Composed, content: bytes, word: str) -> None:
    (mine / "model").mkdir()
    (mine / "model" / "evil.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"model/evil\.yaml is not valid YAML: .*({word})") as caught:
        composed("-cd", "mine", "model=evil")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_file_of_another_name_builds_on_the_shipped(mine: Path, composed: Composed, told: list[str]) -> None:
    write(mine, "model/narrow.yaml", "defaults: [mlp, _self_]\nhidden: [7]\n")
    write(
        mine,
        "mine.yaml",
        "defaults: [train, override model: narrow, _self_]\nseed: 3\n".replace("override ", "override /"),
    )
    found = composed("-cd", "mine", config="mine.yaml")
    assert (found.model.hidden, found.model.dropout, found.seed) == ([7], 0.3, 3)
    assert told == []


def test_help_lists_the_choices_of_any_folder(mine: Path) -> None:
    mine.rename("my own=dir")
    write(Path("my own=dir"), "model/narrow.yaml", MLP)
    for arguments in (["--config-dir", "my own=dir"], ["--config-dir=my own=dir"], ["-cd", "my own=dir", "--help"]):
        assert re.search(r"^  model: .*\bnarrow\b", help_text("", arguments), re.MULTILINE)
