"""The project's chores: `nox` runs them all, `nox -s lint` one, `nox -l` lists them.

All sessions share one environment in `.nox/env`, since torch alone is 5.6 GB. uv makes it where uv is there
(beside nox or on the PATH), else venv and pip do.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests", "commands", "browser", "launchers", "wheel"]

ENVIRONMENT = Path(".nox", "env").resolve()
PYTHON = str(ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin") / "python")

TWO_AT_ONCE = ("-n", "2", "--dist", "loadfile")
"""Most of the time goes into processes that start, each on one core."""

PATIENT = {"OMP_WAIT_POLICY": "passive"}
"""Threads of torch that wait leave the cores to the other tests."""


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
        session.run(PYTHON, "-m", "pip", "--python", python, "install", "--quiet", *arguments, external=True)


def shared_environment(session: nox.Session) -> None:
    """Make the shared environment, once; afterwards only bring it up to date."""
    if not Path(PYTHON).exists():
        if uv := find_uv():
            session.run(uv, "venv", "--quiet", "--python", sys.executable, str(ENVIRONMENT), external=True)
        else:
            session.run(sys.executable, "-m", "venv", str(ENVIRONMENT), external=True)
    install(session, PYTHON, "--editable", ".[dev]")


def light_environment(session: nox.Session, wheel: str) -> str:
    """A new environment as the README makes one for reading alone, out of the wheel; its python."""
    folder = Path(session.create_tmp()).resolve() / "light"
    shutil.rmtree(folder, ignore_errors=True)
    session.run(PYTHON, "-m", "venv", str(folder), external=True)
    python = str(folder / "bin" / "python")
    install(session, python, "--no-compile", wheel)
    return python


def overlay(session: nox.Session, name: str, *arguments: str) -> str:
    """A new environment with what is installed by the arguments, on top of the shared one; its python.

    It borrows the shared one's packages, those excepted that it has itself: a second one of 5.6 GB would show no more.
    """
    folder = Path(session.create_tmp()).resolve() / name
    shutil.rmtree(folder, ignore_errors=True)
    session.run(PYTHON, "-m", "venv", "--without-pip", str(folder), external=True)
    python = str(folder / "bin" / "python")
    install(session, python, *arguments)
    shared = next((ENVIRONMENT / "lib").glob("python*/site-packages"))
    (next((folder / "lib").glob("python*/site-packages")) / "borrowed.pth").write_text(f"{shared}\n")
    session.run(python, "-m", "pytest", "--version", external=True, silent=True)
    return python


@nox.session
def lint(session: nox.Session) -> None:
    """Style of the Python and the YAML files; `nox -s lint -- --fix` applies what can be applied."""
    shared_environment(session)
    fix = "--fix" in session.posargs
    session.run(PYTHON, "-m", "ruff", "check", *["--fix"] * fix, ".", external=True)
    session.run(PYTHON, "-m", "ruff", "format", *["--check"] * (not fix), ".", external=True)
    session.run(PYTHON, "-m", "yamllint", "--strict", "conf", ".yamllint.yaml", external=True)


@nox.session
def types(session: nox.Session) -> None:
    """mypy --strict over everything."""
    shared_environment(session)
    session.run(PYTHON, "-m", "mypy", external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """Unit tests; arguments go to pytest: `nox -s tests -- tests/data -k split`."""
    shared_environment(session)
    others = ["--ignore=tests/commands", "--ignore=tests/browser", "--ignore=tests/launchers"]
    session.run(PYTHON, "-m", "pytest", *session.posargs or [*others, *TWO_AT_ONCE], env=PATIENT, external=True)


@nox.session
def commands(session: nox.Session) -> None:
    """The commands as a person runs them, a short training on real MNIST among them."""
    shared_environment(session)
    session.run(PYTHON, "-m", "pytest", "tests/commands", *TWO_AT_ONCE, *session.posargs, env=PATIENT, external=True)


@nox.session
def browser(session: nox.Session) -> None:
    """The page to draw on, in the Chromium that the system has; without one it is left out, but never in CI."""
    shared_environment(session)
    session.run(PYTHON, "-m", "pytest", "tests/browser", *session.posargs, external=True)


@nox.session
def launchers(session: nox.Session) -> None:
    """The launchers that are extras, SLURM's (here, by submitit) and Ray, each for real."""
    shared_environment(session)
    extras = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]
    added = [name for name in (*extras["slurm"], *extras["ray"]) if not name.startswith("digits[")]
    python = overlay(session, "launchers", *added)
    install(session, python, "--no-deps", "--editable", ".")
    session.run(python, "-m", "pytest", "tests/launchers", *session.posargs, external=True)


@nox.session
def wheel(session: nox.Session) -> None:
    """The wheel alone, without the checkout, in an empty folder: its commands and its conf/; reading without torch."""
    shared_environment(session)
    built = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(built, ignore_errors=True)
    if uv := find_uv():
        session.run(uv, "build", "--quiet", "--wheel", "--python", PYTHON, "--out-dir", str(built), external=True)
    else:
        session.run(PYTHON, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(built), ".", external=True)
    [made] = map(str, built.glob("*.whl"))
    pythons = {
        "WHEEL_PYTHON": overlay(session, "bare", "--no-deps", made),
        "LIGHT_PYTHON": light_environment(session, made),
    }
    session.run(PYTHON, "-m", "pytest", "tests/commands/wheel.py", "-p", "no:cacheprovider", env=pythons, external=True)


@nox.session
def reliability(session: nox.Session) -> None:
    """The long fault-injection suite, about an hour on two cores; writes benchmarks/RELIABILITY.md. Needs root."""
    shared_environment(session)
    session.run(PYTHON, "-m", "benchmarks.reliability", *session.posargs, external=True)


@nox.session
def recipes(session: nox.Session) -> None:
    """The fast recipes once more with new seeds, against their records; `nox -s recipes -- mlp --seeds 5`."""
    shared_environment(session)
    session.run(PYTHON, "-m", "benchmarks.accuracy.recheck", *session.posargs, external=True)
