"""What a page's policy allows: the one script whose hash it names."""

from __future__ import annotations

import base64
import hashlib
import re

_SCRIPT = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)
_ALLOWED = re.compile(r"script-src 'sha256-([\w+/=]+)'")


def but_its_own_script(page: str) -> str:
    """Return a page without the script that its policy allows; any other one stays in it."""
    policies = re.findall(r"<meta[^>]*Content-Security-Policy[^>]*>", page)
    assert len(policies) == 1 and "default-src 'none'" in policies[0]
    allowed = _ALLOWED.findall(policies[0])
    assert len(allowed) == 1

    def own(match: re.Match[str]) -> str:
        digest = hashlib.sha256(match[1].encode("utf-8")).digest()
        return "" if base64.b64encode(digest).decode("ascii") == allowed[0] else match[0]

    left, scripts = _SCRIPT.subn(own, page)
    assert scripts and left != page, "the policy allows no script of the page"
    return left
