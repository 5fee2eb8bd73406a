"""The pages by themselves: every link leads somewhere, every page is in the site's navigation, every picture is there.

Links between pages of the site are checked once more when it is built (`nox -s docs`), which knows nothing of the
README, of pictures, and of pages that the navigation forgets.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

import digits
from docs.reference import ALSO, DOCS, ROOT, reference_pages

PAGES = sorted(DOCS.glob("*.md"))
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def links(page: Path) -> list[str]:
    """Where a page leads, and what it shows."""
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'<img src="([^"]+)"', text)
    return [link for link in found if not re.match(r"https?:", link)]


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub and the site make them."""
    titles = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def leaves(navigation: object) -> list[str]:
    """The pages of a navigation, however deep."""
    if isinstance(navigation, str):
        return [navigation]
    assert isinstance(navigation, dict | list)
    below = navigation.values() if isinstance(navigation, dict) else navigation
    return [page for part in below for page in leaves(part)]


@pytest.mark.parametrize(
    "page", [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))], ids=str
)
def test_links_and_pictures_are_there(page: Path) -> None:
    for link in links(page):
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_what_only_a_site_can_not_follow_is_no_link_of_a_page() -> None:
    """A page of docs/ may link to its neighbours, to pictures and to what the site has as a page too."""
    also = set(ALSO.values())
    outside = {link.partition("#")[0] for page in PAGES for link in links(page) if link.startswith("..")}
    assert outside <= also


def test_every_page_is_in_the_navigation_once() -> None:
    config = tomllib.loads((DOCS / "zensical.toml").read_text(encoding="utf-8"))
    generated = [f"reference/{name}" for name in reference_pages()]
    assert sorted(leaves(config["project"]["nav"])) == sorted([*(page.name for page in PAGES), *ALSO, *generated])


def test_the_readme_stays_readable() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 260


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert [project["version"], citation["version"]] == [digits.__version__] * 2
    assert [project["name"], project["license"]] == [citation["title"], citation["license"]]


def test_ci_runs_the_readmes_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^python3 -m venv \.venv && .*$", readme, re.MULTILINE)[:2]
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert len(commands) == 2
    assert [f"run: {command}\n" in workflow for command in commands] == [True, True]
