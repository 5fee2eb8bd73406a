"""Self-contained HTML pages in the theme, light or dark as the reader's system; all parts are HTML strings."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable
from pathlib import Path
from string import Template

from digits.plots import theme


def page(title: str, body: str) -> str:
    """A page with `body` in its `main` element; its content security policy blocks loading anything from elsewhere."""
    light = {name: getattr(theme, name.upper()) for name in theme.DARK}
    dark = {f"dark_{name}": colour for name, colour in theme.DARK.items()}
    template = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    return template.substitute(light, **dark, dark_plot=theme.DARK_PLOT, title=html.escape(title), body=body)


def contents(body: str) -> str:
    """A list of links to the sections of a body, by their headings."""
    found = re.findall(r'<section id="([^"]+)">\s*<h2>(.+?)</h2>', body)
    items = "\n".join(f'<li><a href="#{name}">{heading}</a></li>' for name, heading in found)
    return f'<nav aria-label="Contents"><ol>\n{items}\n</ol></nav>'


def section(name: str, heading: str, *parts: str) -> str:
    """A section with its heading."""
    return "\n".join([f'<section id="{name}">', f"<h2>{heading}</h2>", *parts, "</section>", ""])


def image(png: bytes, alt: str) -> str:
    """A plot, embedded, with an alternative text."""
    data = base64.b64encode(png).decode()
    return f'<img class="plot" src="data:image/png;base64,{data}" alt="{html.escape(alt)}">'


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table that scrolls sideways in a narrow window; the first column holds the row headers."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>\n"
        for first, *rest in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>\n{body}</tbody></table></div>'


def text(words: str) -> str:
    """Text as HTML, without line breaks before a percent sign."""
    return html.escape(words).replace(" %", "\N{NO-BREAK SPACE}%")
