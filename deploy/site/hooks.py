"""What the site needs beyond docs/: pages that live elsewhere in the tree, and links that lead out of docs/.

A link to a file of the tree becomes one to a copy of it. A page that asks another host for anything fails the build.
"""

import posixpath
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "client.md": "clients/python/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "code-of-conduct.md": "CODE_OF_CONDUCT.md",
}
COPIES: Final = "files"
_HOME: Final = {source: page for page, source in PAGES.items()}
_LINK: Final = re.compile(r"\[([^\]]*)\]\(([^)\s:#]+)(#[^)\s]*)?\)")
_FENCE: Final = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_ASKED: Final = re.compile(
    r"<(?:script|link|img|iframe|source|video|audio)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//[^>]+>"
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Headings get the anchors that GitHub gives them, so that a link works in both places."""
    config.mdx_configs["toc"]["slugify"] = _slug
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from elsewhere, and every file of the tree that some page links to."""
    for page in PAGES:
        files.append(File.generated(config, page, content=""))  # read by `on_page_read_source`
    copies = {target for file in files.documentation_pages() for target in _read(file.src_uri)[1]}
    for target in sorted(copies):
        files.append(File.generated(config, f"{COPIES}/{target}", abs_src_path=str(ROOT / target)))
    return files


def on_page_read_source(page: Page, config: MkDocsConfig) -> str:
    """The page with its links as the site has them."""
    return _read(page.file.src_uri)[0]


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse a page that asks another host for something."""
    asked = [tag for tag in _ASKED.findall(output) if 'rel="canonical"' not in tag]
    if asked:
        raise PluginError(f"{page.file.src_uri} asks another host: {asked[0]}")
    return output


def _read(page: str) -> tuple[str, set[str]]:
    """A page's text, and the files of the tree that it links to."""
    source = PAGES.get(page, f"docs/{page}")
    copies: set[str] = set()

    def moved(link: re.Match[str]) -> str:
        text, path, anchor = link.groups(default="")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if target in _HOME:
            return f"[{text}]({_from(page, _HOME[target])}{anchor})"
        if target.startswith("docs/"):
            return f"[{text}]({_from(page, target.removeprefix('docs/'))}{anchor})"
        if (ROOT / target).is_dir():
            return text  # a site has no page for a folder of the tree
        if not (ROOT / target).is_file():
            return link[0]  # a mistake, which the strict build names
        copies.add(target)
        return f"[{text}]({_from(page, f'{COPIES}/{target}')})"

    parts = _FENCE.split((ROOT / source).read_text(encoding="utf-8"))
    return "".join(part if part.startswith("```") else _LINK.sub(moved, part) for part in parts), copies


def _from(page: str, target: str) -> str:
    """The way from one page of the site to another."""
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


def _slug(title: str, separator: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", separator)
