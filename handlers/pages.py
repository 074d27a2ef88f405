"""An outline as a page of HTML or a file of Markdown. Pure.

The page carries its whole style and no script, so it can be read without internet and under the strictest policy.
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from typing import Final

from handlers.outline import Block, Heading, Paragraph, Table

_STYLE: Final = """
:root { color-scheme: light dark; --line: light-dark(#d5d9e0, #3a404c); --soft: light-dark(#f4f6f9, #1d2129); \
--link: light-dark(#0b57d0, #8ab4f8) }
body { font: 1rem/1.55 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; \
overflow-wrap: break-word; color: light-dark(#1c2026, #e4e7ec); background: light-dark(#fff, #14171c) }
h1 { font-size: 1.8rem } h2 { border-bottom: 1px solid var(--line); margin-top: 3rem; padding-bottom: .3rem }
h3 { font: 600 1.05rem/1.4 ui-monospace, monospace; margin: 2.2rem 0 .5rem }
h1 a, h2 a, h3 a { color: inherit; text-decoration: none }
a { color: var(--link) } code { background: var(--soft); border-radius: .25rem; padding: .1em .3em; font-size: .9em }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: .93rem }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line) }
:target { scroll-margin-top: 1rem; background: var(--soft) }
"""
STYLE_HASH: Final = "sha256-" + b64encode(sha256(_STYLE.encode()).digest()).decode()
"""For the page's Content-Security-Policy: this style and nothing else."""

_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^\]]+)\]\((#[^)]+)\)")


def render_html(blocks: Iterable[Block]) -> str:
    """A complete page."""
    body = "\n".join(_html(block) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Pagereel API</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n"
        "</html>\n"
    )


def render_markdown(blocks: Iterable[Block]) -> str:
    """A complete file, with explicit anchors, since Markdown renderers disagree about implicit ones."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def _html(block: Block) -> str:
    match block:
        case Heading(level, text, anchor):
            return f'<h{level} id="{escape(anchor)}"><a href="#{escape(anchor)}">{_inline(text)}</a></h{level}>'
        case Paragraph(text):
            return f"<p>{_inline(text)}</p>"
        case Table(head, rows):
            top = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in head)
            lines = "\n".join("<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>" for row in rows)
            return f'<div class="wide"><table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{lines}\n</tbody></table></div>'


def _inline(text: str) -> str:
    marked = _CODE.sub(r"<code>\1</code>", escape(text, quote=False))
    return _LINK.sub(r'<a href="\2">\1</a>', marked)


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text, anchor):
            return f'<a id="{anchor}"></a>\n\n{"#" * level} {text}'
        case Paragraph(text):
            return text
        case Table(head, rows):
            return "\n".join(_row(cells) for cells in (head, ("---",) * len(head), *rows))


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
