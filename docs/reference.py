"""The sources of the documentation site, the generated pages among them: commands, configuration, Python API.

    python -m docs.reference FOLDER

writes `FOLDER/zensical.toml` and `FOLDER/pages`: the pages of `docs/`, the repository's own (RESULTS.md, CHANGELOG.md,
CONTRIBUTING.md), and in `reference/` those made from the commands' `--help`, the schema, `conf/` and `docs/public.md`.
`nox -s docs` builds the site from them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, fill

from docs.keys import code, configuration, escaped, experiments

DOCS = Path(__file__).parent
ROOT = DOCS.parent

ALSO = {  # what else is a page, and how a page of docs/ links to it
    "results.md": "../benchmarks/RESULTS.md",
    "changelog.md": "../CHANGELOG.md",
    "contributing.md": "../CONTRIBUTING.md",
}


def write(folder: Path) -> None:
    """Write everything that the site is built from."""
    pages = folder / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("*.py", "*.toml", "__pycache__", "outputs"))
    shutil.copy(DOCS / "zensical.toml", folder)
    for name, link in ALSO.items():
        shutil.copy(DOCS / link, pages / name)
    for page in pages.glob("*.md"):
        text = re.sub(r"\]\((\.\./)?docs/", "](", page.read_text(encoding="utf-8"))
        for name, link in ALSO.items():
            text = text.replace(f"]({link}", f"]({name}").replace(f"]({link.removeprefix('../')}", f"]({name}")
        page.write_text(text, encoding="utf-8")
    (pages / "reference").mkdir()
    for name, text in reference_pages().items():
        (pages / "reference" / name).write_text(text, encoding="utf-8")


def reference_pages() -> dict[str, str]:
    """The generated pages, by the name of their file."""
    commands = sorted(path.stem for path in (ROOT / "digits").glob("[a-z]*.py"))
    return {f"{name}.md": command_page(name, help_of(name)) for name in commands} | {
        "configuration.md": "\n".join(configuration()),
        "experiments.md": "\n".join(experiments()),
        "python.md": "\n".join(python_api((DOCS / "public.md").read_text(encoding="utf-8"))),
    }


def help_of(command: str) -> str:
    """What a command prints with `--help`, each option in one line."""
    arguments = [sys.executable, "-m", f"digits.{command}", "--help"]
    done = subprocess.run(arguments, cwd=ROOT, env=os.environ | {"COLUMNS": "1000"}, capture_output=True, check=True)
    return done.stdout.decode()


def command_page(command: str, text: str) -> str:
    """The help of a command as Markdown: prose, examples as code, options as a table."""
    parts = [f"# {command}"]
    for block in re.split(r"\n{2,}", re.sub(r"\n {24,}(?=\S)", "  ", text).strip("\n")):
        first, _, rest = block.partition("\n")
        if block.startswith("usage:"):
            parts.append("```text\n" + fill(block, 76, subsequent_indent=" " * 7, break_on_hyphens=False) + "\n```")
        elif block.startswith(" "):
            parts.append(f"```text\n{dedent(block).rstrip()}\n```")
        elif first.endswith(":") and rest.startswith("  "):
            entries = re.findall(r"^  (\S.*?)(?:: |  +)(.*)", rest, re.MULTILINE)
            lines = [f"| {code(name)} | {escaped(meaning)} |" for name, meaning in entries]
            parts.append("\n".join([f"## {first[:-1].capitalize()}\n\n| name | meaning |\n|---|---|", *lines]))
        else:
            parts.append(escaped(block))
    return "\n\n".join(parts) + "\n"


def python_api(public: str) -> Iterator[str]:
    """What `docs/public.md` lists, for mkdocstrings to fill in; targets without their members."""
    used, _, targets = public.partition("**In Python**")[2].partition("**Targets**")
    names, built = (dict.fromkeys(re.findall(r"`(digits\.[a-z_.]*[A-Za-z_]+)`", part)) for part in (used, targets))
    yield "# From Python\n\n## Functions and classes\n"
    yield from (f"::: {name}\n" for name in names)
    yield "## Targets\n\nWhat the shipped `_target_` keys build.\n"
    yield from (f"::: {name}\n    options:\n      members: false\n" for name in built if name not in names)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
