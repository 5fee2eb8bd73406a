"""The project's chores: `nox` checks style, types, units and commands; `nox -s lint` one, `nox -l` lists all.

They use the active virtual environment, else `.venv` of the checkout, and add to it what they need: with uv where it is
there (beside nox or on the PATH), else with pip.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests", "commands"]

BIN = "Scripts" if os.name == "nt" else "bin"
ENVIRONMENT = Path(os.environ.get("VIRTUAL_ENV", ".venv")).absolute()
PYTHON = str(ENVIRONMENT / BIN / "python")

# Python: `requires-python`, and the newest for which torch, torchvision and onnxruntime have wheels
OLDEST, NEWEST = "3.11", "3.14"

TWO_AT_ONCE = ("-n", "2", "--dist", "loadfile")  # most of the time goes into processes that start, each on one core

POSTGRES = "tests/commands/test_tune_postgres.py"
UNITS = ("--ignore=tests/commands", "--ignore=tests/browser", "--ignore=tests/launchers", "--ignore=tests/extras")

# With two threads in each of two test processes, the threads would wait for one another most of the time
ONE_THREAD = {"OMP_NUM_THREADS": "1"}

PATIENT = {"OMP_WAIT_POLICY": "passive"}  # threads of torch that wait leave the cores to the other tests


def find_uv() -> str | None:
    """The uv that was installed beside nox, or the one on the PATH."""
    return shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")


def install(session: nox.Session, python: str, *arguments: str) -> None:
    """Install into an environment with uv, else with pip."""
    if uv := find_uv():
        # compiled now, once, and not at every start of every command that the tests run
        compiled = ("--compile-bytecode", "--python", python)
        session.run(uv, "pip", "install", "--quiet", *compiled, *arguments, external=True)
    else:
        session.run(python, "-m", "pip", "install", "--quiet", *arguments, external=True)


def run(session: nox.Session, module: str, *arguments: str, python: str = PYTHON, **env: str) -> None:
    """Run a module of the environment."""
    session.run(python, "-m", module, *arguments, env=PATIENT | env, external=True)


def temporary(session: nox.Session) -> Path:
    """The session's folder in `.nox/`; nox would have every program put its temporary files there, in the checkout."""
    folder = Path(session.create_tmp()).resolve()
    session.env.pop("TMPDIR", None)
    return folder


def new_environment(session: nox.Session, name: str, python: str = PYTHON) -> str:
    """An empty environment in `.nox/`; its python."""
    folder = temporary(session) / name
    shutil.rmtree(folder, ignore_errors=True)
    run(session, "venv", str(folder), python=python)
    return str(folder / BIN / "python")


def overlay(session: nox.Session, name: str, *arguments: str) -> str:
    """A new environment with what is installed by the arguments, on top of the shared one; its python.

    It borrows the shared one's packages, those excepted that it has itself: a second one of 5.6 GB would show no more.
    """
    python = new_environment(session, name)
    install(session, python, *arguments)
    shared = next((ENVIRONMENT / "lib").glob("python*/site-packages"))
    (next((Path(python).parents[1] / "lib").glob("python*/site-packages")) / "borrowed.pth").write_text(f"{shared}\n")
    return python


def packages_of(*extras: str) -> list[str]:
    """What extras of pyproject.toml add to the shared environment."""
    known = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]
    return [package for extra in extras for package in known[extra] if not package.startswith("digits[")]


@nox.session
def environment(session: nox.Session) -> None:
    """Bring the environment up to date; the others need it, and start it themselves."""
    if not Path(PYTHON).exists():
        run(session, "venv", str(ENVIRONMENT), python=sys.executable)
    install(session, PYTHON, "--editable", ".[dev]")


@nox.session(requires=["environment"])
def lint(session: nox.Session) -> None:
    """Style of the Python and the YAML files; `nox -s lint -- --fix` applies what can be applied."""
    fix = "--fix" in session.posargs
    run(session, "ruff", "check", *["--fix"] * fix, ".")
    run(session, "ruff", "format", *["--check"] * (not fix), ".")
    run(session, "yamllint", "--strict", "conf", ".github", ".yamllint.yaml", ".pre-commit-config.yaml", "CITATION.cff")


@nox.session(requires=["environment"])
def types(session: nox.Session) -> None:
    """mypy --strict over everything."""
    run(session, "mypy")


@nox.session(requires=["environment"])
def tests(session: nox.Session) -> None:
    """Unit tests; arguments go to pytest: `nox -s tests -- tests/data -k split`."""
    run(session, "pytest", *session.posargs or [*UNITS, *TWO_AT_ONCE], **ONE_THREAD)


@nox.session(requires=["environment"])
def commands(session: nox.Session) -> None:
    """The commands as a person runs them, a short training on real MNIST among them."""
    run(session, "pytest", "tests/commands", f"--ignore={POSTGRES}", *TWO_AT_ONCE, *session.posargs)


@nox.session(requires=["environment"])
def postgres(session: nox.Session) -> None:
    """One search by several processes on PostgreSQL; without one it is left out, but never in CI."""
    run(session, "pytest", POSTGRES, *session.posargs)


@nox.session(requires=["environment"])
def browser(session: nox.Session) -> None:
    """The page to draw on, in the Chromium that the system has; without one it is left out, but never in CI."""
    run(session, "pytest", "tests/browser", *session.posargs)


@nox.session(requires=["environment"])
def launchers(session: nox.Session) -> None:
    """The launchers that are extras, SLURM's (here, by submitit) and Ray, each for real."""
    python = overlay(session, "launchers", *packages_of("slurm", "ray"))
    install(session, python, "--no-deps", "--editable", ".")
    run(session, "pytest", "tests/launchers", *session.posargs, python=python)


@nox.session(requires=["environment"])
def extras(session: nox.Session) -> None:
    """The loggers that are extras, W&B (offline) and MLflow (an SQLite file)."""
    python = overlay(session, "extras", *packages_of("wandb", "mlflow"))
    install(session, python, "--no-deps", "--editable", ".")
    run(session, "pytest", "tests/extras", *session.posargs, python=python)


@nox.session(requires=["environment"])
def docs(session: nox.Session) -> None:
    """The documentation as a site, strictly: a warning or a broken link fails it."""
    python = overlay(session, "docs", *packages_of("docs"))
    folder = temporary(session)
    run(session, "pytest", "tests/docs")  # pictures, and links that only the repository has
    run(session, "docs.reference", str(folder), python=python)
    config = str(folder / "zensical.toml")
    run(session, "zensical", "build", "--clean", "--strict", "--config-file", config, python=python)
    session.log(f"to look at it: python -m http.server --directory {folder / 'site'}")


@nox.session(requires=["environment"])
def wheel(session: nox.Session) -> None:
    """The wheel alone, without the checkout, in an empty folder: its commands and its conf/; reading without torch."""
    built = temporary(session) / "dist"
    shutil.rmtree(built, ignore_errors=True)
    light = new_environment(session, "light")  # as the README makes one for reading alone, pip included
    run(session, "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(built), ".", python=light)
    [made] = map(str, built.glob("*.whl"))
    install(session, light, "--no-compile", made)
    bare = overlay(session, "bare", "--no-deps", made)
    run(session, "pytest", "tests/commands/wheel.py", "-p", "no:cacheprovider", WHEEL_PYTHON=bare, LIGHT_PYTHON=light)


@nox.session
def lowest(session: nox.Session) -> None:
    """Unit tests with the lowest versions that pyproject.toml allows, in another 5 GB; needs uv."""
    python = uv_environment(session, OLDEST, "--resolution", "lowest-direct")
    run(session, "pytest", *session.posargs or [*UNITS, *TWO_AT_ONCE], python=python, **ONE_THREAD)


@nox.session
def newest(session: nox.Session) -> None:
    """Unit tests with the newest Python, likewise; `nox -s newest -- 3.13` takes another one."""
    python = uv_environment(session, *session.posargs or [NEWEST])
    run(session, "pytest", *UNITS, *TWO_AT_ONCE, python=python, **ONE_THREAD)


def uv_environment(session: nox.Session, version: str, *resolution: str) -> str:
    """A new environment of a Python that is found or fetched, with everything; its python."""
    uv = find_uv() or session.error("uv finds and fetches the Python for this: pip install uv")
    folder = temporary(session) / version
    session.run(uv, "venv", "--quiet", "--clear", "--python", version, str(folder), external=True)
    python = str(folder / BIN / "python")
    install(session, python, *resolution, "--editable", ".[dev]")
    return python


@nox.session(requires=["environment"])
def reliability(session: nox.Session) -> None:
    """The long matrices of kills, then fault injection for an hour, which is recorded. Needs root."""
    run(session, "pytest", "-m", "reliability", *TWO_AT_ONCE)
    run(session, "benchmarks.reliability", *session.posargs)


@nox.session(requires=["environment"])
def recipes(session: nox.Session) -> None:
    """The fast recipes once more with new seeds, against their records; `nox -s recipes -- mlp --seeds 5`."""
    run(session, "benchmarks.accuracy.recheck", *session.posargs)
