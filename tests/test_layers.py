"""The house: who may import whom, without circles; what reading does without; what starts fast."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import cv2
import numpy as np
import pytest

PACKAGE = Path(__file__).parents[1] / "digits"

COMMANDS = {"train", "tune", "evaluate", "report", "export", "predict", "explore", "serve"}

MAY_IMPORT = {
    "config": set[str](),
    "models": set[str](),
    "plots": set[str](),
    "reading": set[str](),
    "data": {"config", "reading"},
    "runs": {"config"},
    "processes": {"config", "runs"},
    "serving": {"reading"},
    "exploring": {"config", "data", "plots"},
    "evaluating": {"config", "runs", "data", "plots", "reading"},
    "exporting": {"config", "runs", "data", "evaluating", "reading"},
    "training": {"config", "runs", "processes", "data", "evaluating", "reading"},
    "tuning": {"config", "runs", "processes", "plots"},
    "hydra_app": {"config", "runs", "processes", "tuning", "data"},
    "api": {"config", "runs", "processes", "training", "evaluating", "hydra_app", "reading"},
}
"""The rooms, and what each may import beside itself; a command may import every room, and no other command."""

TORCH_FREE = ("config", "runs", "processes", "tuning", "hydra_app", "serving", "reading")
READS_TENSORS = {"digits.runs.weights", "digits.runs.checkpoint_file"}
"""Files of a torch-free room that read weights and checkpoints."""

READING = ("predict", "serve", "reading", "serving")
"""What an install without the extra `train` is for."""

INSTALLED_FOR_READING = {
    "numpy": "numpy",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "starlette": "starlette",
    "tqdm": "tqdm",
    "uvicorn": "uvicorn",
}
"""What such an install brings, and by what name it is imported: all that reading and serving may use."""

INSTANTIATES = "digits.config.instantiate"
"""The one module that builds what a `_target_` names, with Hydra."""


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def imports_of(module: str) -> frozenset[str]:
    """Every module that a file imports, wherever in it.

    What is imported from a package is the submodule of that name, or else the package.
    """
    found = set[str]()
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: an import names the whole path"
            assert node.module is not None
            found |= {n if (n := f"{node.module}.{alias.name}") in FILES else node.module for alias in node.names}
    return frozenset(found)


def room_of(module: str) -> str:
    """The room or the command that a module of ours belongs to; empty for the package itself."""
    return module.split(".")[1] if module.count(".") else ""


def test_the_top_holds_the_commands_and_the_rooms_are_known() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == COMMANDS | {"__init__"}
    assert {room_of(module) for module in FILES} - COMMANDS - {""} <= set(MAY_IMPORT)


@pytest.mark.parametrize("module", FILES)
def test_imports_follow_the_table(module: str) -> None:
    room = room_of(module)
    own = {room_of(name) for name in imports_of(module) if name.startswith("digits.")}
    if room in COMMANDS:
        assert not own & (COMMANDS - {room}), "a command imports another"
    elif room:
        assert own <= {room, *MAY_IMPORT[room]}, f"{module} imports {own - {room, *MAY_IMPORT[room]}}"


def test_no_circle_between_two_files() -> None:
    """By imports wherever they stand; importing from a package counts as importing its `__init__`."""
    graph = {module: {name for name in imports_of(module) if name in FILES} for module in FILES}
    for module, imported in graph.items():
        for name in list(imported):
            packages = [".".join(name.split(".")[:i]) for i in range(1, name.count(".") + 1)]
            imported |= {p for p in packages if p in FILES and not module.startswith(f"{p}.") and module != p}
    done, path = set[str](), list[str]()

    def visit(module: str) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        path.append(module)
        for name in sorted(graph[module] - {module}):
            visit(name)
        path.pop()
        done.add(module)

    for module in graph:
        visit(module)


def test_hydra_and_omegaconf_are_known_in_one_room() -> None:
    """And to the one module that instantiates, and to the decorators of the two commands that compose."""
    allowed = {INSTANTIATES, "digits.train", "digits.tune"}
    for module in FILES:
        names = {name for name in imports_of(module) if name.split(".")[0] in ("hydra", "omegaconf")}
        if room_of(module) == "hydra_app":
            continue
        assert not names or module in allowed, f"{module} imports {names}"
        assert module == INSTANTIATES or names <= {"hydra", "omegaconf"}, f"{module} imports {names}"


def test_models_know_no_lightning() -> None:
    for module in FILES:
        if room_of(module) == "models":
            assert "lightning" not in {name.split(".")[0] for name in imports_of(module)}, module


def test_torch_free_rooms_import_no_torch() -> None:
    """Each file of them in one fresh interpreter, one after the other."""
    modules = [name for name in FILES if room_of(name) in TORCH_FREE and name not in READS_TENSORS]
    for module in modules:
        assert not {name.split(".")[0] for name in imports_of(module)} & {"torch", "lightning"}, module
    code = (
        "import sys, importlib\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    if 'torch' in sys.modules or 'lightning' in sys.modules:\n"
        "        sys.exit(f'{name} imports torch')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, *modules], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]


def requirements(extra: str | None = None) -> set[str]:
    """What is installed by an extra, or without one: the names that `pip list` shows, in small letters."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed: list[str] = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return {re.split(r"[^\w.-]", line)[0].lower() for line in listed}


def test_reading_imports_what_is_installed_for_it() -> None:
    """And nothing is installed for it that it does not import."""
    modules = [name for name in FILES if room_of(name) in READING]
    imported = {name for module in modules for name in imports_of(module)}
    ours = {name for name in imported if name.split(".")[0] == "digits" and room_of(name) not in READING}
    assert ours == {"digits.config.files", "digits.processes.streams"}, (
        "what is imported of other rooms has to do without the extra, too"
    )
    others = {name.split(".")[0] for name in imported} - {"digits", *sys.stdlib_module_names}
    others -= {"google"}  # protobuf's types, which come with onnx
    assert others == set(INSTALLED_FOR_READING.values())
    assert requirements() == set(INSTALLED_FOR_READING)


def test_reading_takes_nothing_of_the_extra(tmp_path: Path) -> None:
    """With none of its packages to be had; that it is enough, in an install of its own, the wheel's test shows."""
    extra = requirements("train")
    hidden = {name for name, owners in packages_distributions().items() if extra & {owner.lower() for owner in owners}}
    assert {"torch", "hydra", "pydantic", "yaml", "sklearn"} <= hidden
    corners = np.array([(110, 60), (190, 60), (140, 190)], np.int32)
    seven = cv2.polylines(np.full((240, 300), 255, np.uint8), [corners], isClosed=False, color=(0,), thickness=12)
    cv2.imwrite(str(tmp_path / "seven.png"), seven)
    code = (
        "import sys, importlib\n"
        f"sys.modules.update(dict.fromkeys({sorted(hidden)}))\n"
        "for name in sys.argv[2:]:\n"
        "    importlib.import_module(name)\n"
        "sys.exit(sys.modules['digits.predict'].main([sys.argv[1], '--json']))\n"
    )
    modules = [name for name in FILES if room_of(name) in READING]
    command = [sys.executable, "-c", code, str(tmp_path / "seven.png"), *modules]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["text"] == "7"


@pytest.mark.parametrize(
    "module", ["digits", *(f"digits.{command}" for command in sorted(COMMANDS)), "digits.data", "digits.reading"]
)
def test_starting_a_command_imports_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("command", ["train", "tune", "report", "predict"])
def test_help_waits_for_no_schema(command: str) -> None:
    """These answer in a third of a second; evaluate and export tell the views that the schema allows."""
    code = (
        "import sys\n"
        f"from digits.{command} import main\n"
        "sys.argv[1:] = ['--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.exit('pydantic' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0


def test_the_image_folder_is_named_in_its_own_places() -> None:
    """Its schema, its data module, the function that counts classes, and the help that shows how to ask about one."""
    known = {"digits.config.data", "digits.config.schema", "digits.data", "digits.data.image_folder"}
    known |= {"digits.data.class_folders", "digits.evaluate"}
    named = {module for module, path in FILES.items() if re.search(r"(?i)image_?folder", path.read_text("utf-8"))}
    assert named == known


WRITES_JSON = {
    "digits.api.measure",  # what evaluate --json and report --csv print
    *("digits.evaluating.comparison", "digits.evaluating.evaluation", "digits.evaluating.judge"),
    *("digits.evaluating.pages", "digits.evaluating.scores"),
    *("digits.exporting.detector_export", "digits.exporting.onnx_export", "digits.exploring.findings"),
    *("digits.serving.app", "digits.tuning.study"),
}
"""Files that write, or give, records of other kinds than a run's."""

LIBRARIES = {
    *("digits.training.callbacks", "digits.training.checkpoints", "digits.training.task_module"),
    *("digits.training.metrics_csv", "digits.tuning.storage"),
}
"""Files that override what a library declares so, or hand it its arguments."""


def test_no_bare_dict_is_handed_on() -> None:
    """Plain data of any shape is what composing and recording are about; everywhere else it has a type."""
    for module, path in FILES.items():
        if room_of(module) in ("config", "hydra_app", "runs") or module in WRITES_JSON | LIBRARIES:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef) or node.name == "counted":  # a section before it has a type
                continue
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            hints = [ast.unparse(hint) for hint in [*(a.annotation for a in arguments), node.returns] if hint]
            assert not [h for h in hints if re.search(r"\bTree\b|dict\[str, object\]", h)], f"{module}.{node.name}"


def test_no_test_file_imports_another() -> None:
    """What tests share stands in `tests/support/`; what those of one folder share may stand beside them."""
    tests = PACKAGE.parent / "tests"
    for path in tests.rglob("*.py"):
        found = re.findall(r"^ *(?:from|import) tests\.([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        home = ".".join(path.relative_to(tests).parts[:-1])
        others = [
            name
            for name in found
            if "test_" in name or name.rpartition(".")[0] not in ("", "support", "recorded", home)
        ]
        assert not others, f"{path}: {others}"


def test_no_module_is_longer_than_a_sitting() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path


def test_no_room_is_larger_than_a_head() -> None:
    """About fifteen files; `reading` waits for the page reader that learns."""
    for room in {path.parent for path in FILES.values()} - {PACKAGE / "reading"}:
        assert len(list(room.glob("*.py"))) <= 17, room
