"""The book builds from what is stored, has every page, and needs no network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tools.build_book import ROOT, toc_files

PAGES = toc_files()
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
LINKS = {"canonical", "next", "prev", "index", "search", "author", "license"}  # <link>s that load nothing


class Loads(HTMLParser):
    """Collects what a page loads, and its inline scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.inline = ""
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        url = given.get(LOADING.get(tag, ""))
        if url and not (tag == "link" and set((given.get("rel") or "").split()) <= LINKS):
            self.urls.append(url)
        self.inline += given.get("style") or ""
        self._inside = tag if tag == "style" else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.inline += data


def loads(page: Path) -> Loads:
    parser = Loads()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def outside(urls: list[str]) -> list[str]:
    return [url for url in urls if re.match(r"(https?:)?//", url)]


def css_urls(css: str) -> list[str]:
    return re.findall(r"url\(\s*[\"']?([^\"')]+)", css) + re.findall(r"@import\s+[\"']([^\"']+)", css)


@pytest.mark.parametrize("page", PAGES)
def test_toc_entry_has_a_source(page: str) -> None:
    assert any((ROOT / f"{page}{suffix}").is_file() for suffix in (".md", ".ipynb")), f"{page}: no .md or .ipynb"


def test_every_toc_entry_has_its_page(book: Path) -> None:
    assert [page for page in PAGES if not (book / f"{page}.html").is_file()] == []
    assert (book / "index.html").is_file()


def test_mathjax_is_local(book: Path) -> None:
    assert (book / "_static" / "mathjax" / "tex-svg.js").is_file()
    with_mathjax = [page for page in book.rglob("*.html") if "MathJax" in page.read_text(encoding="utf-8")]
    assert with_mathjax
    for page in with_mathjax:
        scripts = [url for url in loads(page).urls if "mathjax" in url.lower()]
        assert [url for url in scripts if not url.split("?")[0].endswith("_static/mathjax/tex-svg.js")] == [], page.name


def test_pages_load_nothing_from_outside(book: Path) -> None:
    found = {}
    for page in book.rglob("*.html"):
        if "_static" not in page.relative_to(book).parts:
            what = loads(page)
            found[page.name] = outside(what.urls + css_urls(what.inline))
    assert {name: urls for name, urls in found.items() if urls} == {}
    sheets = {sheet.name: outside(css_urls(sheet.read_text(encoding="utf-8"))) for sheet in book.rglob("*.css")}
    assert {name: urls for name, urls in sheets.items() if urls} == {}


def test_pages_name_no_folder_of_this_machine(book: Path) -> None:
    home = re.compile(rf"{re.escape(str(ROOT))}|/home/\w|/root/|/Users/\w")
    assert [page.name for page in book.rglob("*.html") if home.search(page.read_text(encoding="utf-8"))] == []
