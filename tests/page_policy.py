"""What a page is made of, and what its policy allows: the one script whose hash it names."""

import base64
import hashlib
import re
from html.parser import HTMLParser

_VOID = {"img", "br", "hr", "meta", "link", "input", "col", "wbr"}
_SCRIPT = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)
_ALLOWED = re.compile(r"script-src 'sha256-([\w+/=]+)'")


def but_its_own_script(page: str) -> str:
    """Return a page without the script that its policy allows; any other one stays in it."""
    policies = re.findall(r"<meta[^>]*Content-Security-Policy[^>]*>", page)
    assert len(policies) == 1 and "default-src 'none'; img-src data:;" in policies[0]
    allowed = _ALLOWED.findall(policies[0])
    assert len(allowed) == 1

    def own(match: re.Match[str]) -> str:
        digest = hashlib.sha256(match[1].encode("utf-8")).digest()
        return "" if base64.b64encode(digest).decode("ascii") == allowed[0] else match[0]

    left, scripts = _SCRIPT.subn(own, page)
    assert scripts and left != page, "the policy allows no script of the page"
    return left


class Page(HTMLParser):
    """Tags, texts and rows of tables of a page whose tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.parts: list[tuple[tuple[str, ...], str]] = []
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag not in _VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.parts.append((tuple(self.open), data))
        if self.rows and self.rows[-1] and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all tags of a name."""
        return [attrs for name, attrs in self.tags if name == tag]

    def outside(self, *tags: str) -> str:
        """Return the text that stands in none of these tags."""
        return " ".join(data for stack, data in self.parts if not set(stack) & set(tags))

    @property
    def text(self) -> str:
        """Return the text of a page on a line."""
        return " ".join(self.outside("style", "script").split())


def text_of(html: str) -> str:
    """Return the text of a piece of a page, its parts a blank apart."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
