"""The rendering of an outline as an HTML page or a Markdown file. Pure.

The page contains its style and its only script, so it works without Internet access. Its policy allows only these two
and calls to the service itself. The page is readable without the script.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final

from handlers.docs.outline import Block, Call, Code, Heading, Input, Paragraph, Table

_STYLE: Final = """
:root { color-scheme: light dark; --line: light-dark(#d5d9e0, #3a404c); --soft: light-dark(#f4f6f9, #1d2129); \
--link: light-dark(#0b57d0, #8ab4f8) }
html { scroll-padding-top: 1rem } \
body { font: 1rem/1.55 system-ui, sans-serif; margin: 0; overflow-wrap: break-word; \
color: light-dark(#1c2026, #e4e7ec); background: light-dark(#fff, #14171c) }
h1 { font-size: 1.8rem } h2 { border-bottom: 1px solid var(--line); margin-top: 3rem; padding-bottom: .3rem }
h3 { font: 600 1.05rem/1.4 ui-monospace, monospace; margin: 2.2rem 0 .5rem }
h1 a, h2 a, h3 a { color: inherit; text-decoration: none }
a { color: var(--link) } code { background: var(--soft); border-radius: .25rem; padding: .1em .3em; font-size: .9em }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: .93rem }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line) }
:target { background: var(--soft) }
main { max-width: 62rem; padding: 1rem 1.5rem 6rem; min-width: 0 }
nav { padding: 1rem; border-bottom: 1px solid var(--line); font-size: .9rem }
nav ul { list-style: none; margin: .2rem 0 .8rem; padding: 0 } nav li { padding: .1rem 0 }
nav a { text-decoration: none; color: inherit } nav a:hover { color: var(--link); text-decoration: underline }
nav li a { font-family: ui-monospace, monospace; font-size: .82rem }
nav summary, nav p { font-weight: 600; margin: .3rem 0 }
@media (min-width: 70rem) { body { display: grid; grid-template-columns: 21rem minmax(0, 1fr) } \
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; box-sizing: border-box; border: 0; \
border-right: 1px solid var(--line) } }
input, textarea, button { font: inherit; color: inherit; background: light-dark(#fff, #14171c); \
border: 1px solid var(--line); border-radius: .3rem; padding: .3rem .5rem; box-sizing: border-box }
::placeholder { color: light-dark(#5f6773, #98a1ae); opacity: 1 }
nav input { width: 100%; font-weight: 400 } \
textarea { width: 100%; min-height: 9rem; font: .85rem/1.4 ui-monospace, monospace }
button { background: var(--link); color: light-dark(#fff, #14171c); border: 0; padding: .4rem 1rem; cursor: pointer }
details { margin: .5rem 0 } main summary { cursor: pointer; color: var(--link) }
pre { background: var(--soft); padding: .7rem .9rem; overflow-x: auto; max-height: 32rem; border-radius: .3rem; \
font: .84rem/1.45 ui-monospace, monospace; margin: .4rem 0 }
.try label { display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: .5rem; margin: .3rem 0; \
align-items: center }
.try, .scripted-only { display: none } .scripted .try, .scripted .scripted-only { display: block }
.try output { display: block; white-space: pre-wrap; font: .84rem/1.45 ui-monospace, monospace }
.try output:not(:empty) { background: var(--soft); border-radius: .3rem; padding: .7rem .9rem }
.try label code { justify-self: start }
@media (max-width: 40rem) { .try label { grid-template-columns: 1fr } main { padding: 1rem } \
th, td { padding-right: .5rem } table { font-size: .88rem } }
"""
_SCRIPT: Final = (Path(__file__).with_name("docs.js")).read_text(encoding="utf-8")
STYLE_HASH: Final = "sha256-" + b64encode(sha256(_STYLE.encode()).digest()).decode()
SCRIPT_HASH: Final = "sha256-" + b64encode(sha256(_SCRIPT.encode()).digest()).decode()
"""The hashes for the page's Content-Security-Policy, which allows only this style and this script."""

_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^\]]+)\]\((#[^)]+)\)")


def render_html(blocks: Sequence[Block]) -> str:
    """Return a complete page, with the navigation on the left and the text on the right."""
    body = "\n".join(_html(block) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Pagereel API</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{_navigation(blocks)}\n"
        f"<main>\n{body}\n</main>\n"
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def render_markdown(blocks: Iterable[Block]) -> str:
    """Return a complete file with explicit anchors, because Markdown renderers disagree about implicit ones."""
    return "\n\n".join(text for block in blocks if (text := _markdown(block))) + "\n"


def _navigation(blocks: Sequence[Block]) -> str:
    """Return the second-level headings with their third-level headings. Types and errors are folded."""
    parts = [
        '<p class="scripted-only"><label>Token for “Try it” <input id="token" type="password" autocomplete="off" '
        'placeholder="prl_…"></label></p>',
        '<p class="scripted-only"><input id="filter" type="search" placeholder="Filter routes and types" '
        'aria-label="Filter routes and types"></p>',
    ]
    groups: list[tuple[Heading, list[Heading]]] = []
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2:
            groups.append((block, []))
        elif isinstance(block, Heading) and block.level == 3 and groups:
            groups[-1][1].append(block)
    for head, below in groups:
        items = "".join(f'<li><a href="#{escape(item.anchor)}">{_inline(item.text)}</a></li>' for item in below)
        opened = "" if head.anchor in ("types", "errors") else " open"
        top = f'<a href="#{escape(head.anchor)}">{_inline(head.text)}</a>'
        parts.append(f"<details{opened}><summary>{top}</summary><ul>{items}</ul></details>")
    return '<nav aria-label="Contents">' + "\n".join(parts) + "</nav>"


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
        case Code(title, text, _):
            return f"<details><summary>{escape(title)}</summary><pre>{escape(text, quote=False)}</pre></details>"
        case Call():
            return _form(block)


def _form(call: Call) -> str:
    """Return the form that the script needs to send the call."""
    fields = "".join(_field(given) for given in call.inputs)
    body = "" if call.body is None else f'<textarea name="body" aria-label="Body">{escape(call.body)}</textarea>'
    return (
        '<details class="try"><summary>Try it</summary>'
        f'<form data-method="{call.method}" data-path="{escape(call.path)}">'
        f"{fields}{body}<p><button>Send</button></p><output></output></form></details>"
    )


def _field(given: Input) -> str:
    required = " required" if given.place == "path" else ""
    return (
        f'<label><code>{escape(given.name)}</code><input name="{escape(given.name)}" data-in="{given.place}" '
        f'placeholder="{escape(given.hint)}" autocomplete="off"{required}></label>'
    )


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
        case Code(title, text, language, brief):
            return f"{title}:\n\n```{language}\n{text}\n```" if brief else ""
        case Call():
            return ""


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
