"""Every document is whole: no list lost an item, and no paragraph begins, breaks off or goes on in the middle."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("**/*.md")),
    *sorted(ROOT.glob("clients/*/*.md")),
    *sorted((ROOT / "deploy").glob("**/*.md")),
]
MARKDOWN = MarkdownIt("commonmark").enable("table")
# Names that are written in lower case where a sentence begins, too.
NAMES = {"aiohttp", "azure-storage-blob", "ffmpeg", "import-linter", "in-toto", "libavformat", "rfc3161-client"}
_BEGINS_LOW = re.compile(r"[a-z][\w-]*")
_GOES_ON_LOW = re.compile(r"[a-z`)\]][.!?]\s+([a-z][\w-]*)")


def faults(text: str) -> list[str]:
    """What is not whole in a document, each with its line."""
    tokens = MARKDOWN.parse(text)
    found = [*_broken_lists(tokens), *_broken_paragraphs(tokens)]
    return [f"line {line + 1}: {what}" for line, what in sorted(found)]


def _broken_lists(tokens: list[Token]) -> Iterator[tuple[int, str]]:
    """A numbered list has two items at least, and counts from 1."""
    for index, opened in enumerate(tokens):
        if opened.type != "ordered_list_open" or opened.map is None:
            continue
        numbers = []
        for token in tokens[index + 1 :]:
            if token.type == "ordered_list_close" and token.level == opened.level:
                break
            if token.type == "list_item_open" and token.level == opened.level + 1:
                numbers.append(int(token.info))
        if len(numbers) < 2 or numbers != list(range(1, len(numbers) + 1)):
            yield opened.map[0], f"a numbered list has the items {numbers}"


def _broken_paragraphs(tokens: list[Token]) -> Iterator[tuple[int, str]]:
    for index, opened in enumerate(tokens):
        if opened.type != "paragraph_open" or opened.map is None:
            continue
        parts, line = tokens[index + 1].children or [], opened.map[0]
        text = _plain(parts)
        begins = _BEGINS_LOW.match(text) if parts[0].type in ("text", "strong_open", "link_open") else None
        goes_on_below_code = index > 0 and tokens[index - 1].type == "fence"
        if begins and begins[0] not in NAMES and not goes_on_below_code:
            yield line, f"a paragraph begins in the middle: {text[:40]!r}"
        if re.match(r"[,;:.)\]]", text):
            yield line, f"a paragraph begins with a sign: {text[:40]!r}"
        for word in _GOES_ON_LOW.findall(text):
            if word not in NAMES:
                yield line, f"a sentence begins in the middle: {word!r}"
        if parts[-1].type == "text" and re.search(r"[\w,;]$", text):
            yield line, f"a paragraph breaks off: {text[-40:]!r}"


def _plain(parts: list[Token]) -> str:
    """The text as it is read; code is a single backtick."""
    signs = {"code_inline": "`", "softbreak": "\n", "hardbreak": "\n"}
    return "".join(part.content if part.type == "text" else signs.get(part.type, "") for part in parts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_document_is_whole(page: Path) -> None:
    assert faults(page.read_text(encoding="utf-8")) == []


LOST_STEPS = """\
1. Stop every process. Run the version that wrote it, or a newer one and `pagereel migrate`.
   bucket, or give it with `--sid`: the task's notifications name it.
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LOST_STEPS, ["a numbered list has the items [1]", "a sentence begins in the middle: 'bucket'"]),
        ("1. One.\n\nText.\n\n3. Three.\n4. Four.\n", ["items [1]", "items [3, 4]"]),
        ("Step 1 is done.\n\nmost where a bucket does not answer.\n", ["a paragraph begins in the middle"]),
        ("# Title\n\n, and goes on.\n", ["a paragraph begins with a sign"]),
        ("It asks the running\n\n## Next\n\nText.\n", ["a paragraph breaks off"]),
        ("It is read from the ledger,\n", ["a paragraph breaks off"]),
    ],
)
def test_what_a_cut_leaves_behind_is_found(text: str, said: list[str]) -> None:
    found = faults(text)
    assert len(found) == len(said)
    for fault, words in zip(found, said, strict=True):
        assert words in fault


@pytest.mark.parametrize(
    "text",
    [
        "1. One.\n2. Two.\n   It goes on.\n",
        "Run\n`make demo`: it takes 2.5 s. `weed` runs beside it.\n",
        "## It runs\n\n```sh\nmake demo\n```\n\nstarts a real S3 server.\n",
        "## RTMP\n\nlibavformat connects without a limit. aiohttp has one.\n",
        "*counter* · labels: `state`\n",
        "![A picture.](flow.svg)\n",
    ],
)
def test_what_is_whole_is_left_in_peace(text: str) -> None:
    assert faults(text) == []
