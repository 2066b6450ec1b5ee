"""A study's own page, away from where the study ran: links to files that are not there become text."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any

from dliflow.report import page

DATA = '<script type="application/json"'  # behind it a page has data and scripts; before it all is markup
LINK = re.compile(r'<a href="(?!#|[a-z]+:)[^"]*">(.*?)</a>', re.DOTALL)
BLOCK = re.compile(r'(<script type="text/plain" id="block-([\w-]+)">)([^<]*)')
ROWS, DETAILS, ANSWER = "rows-", "details-", "answer-"  # blocks with markup in them begin so; all of the first two is


def without_links(whole: str) -> str:
    """A page without its links to files beside it: records, tables, pictures, what is deployed."""
    written, mark, rest = whole.partition(DATA)
    return _unlinked(written) + mark + BLOCK.sub(_block, rest)


def _block(found: re.Match[str]) -> str:
    """A block of the page, without such links in its markup."""
    begin, name, letters = found.groups()
    if not name.startswith((ROWS, DETAILS, ANSWER)):
        return found[0]
    content = json.loads(gzip.decompress(base64.b64decode(letters)))
    if name.startswith(ANSWER):
        content["cards"] = _unlinked(content["cards"])
    else:
        content = _unlinked(content)
    return begin + str(page.block(content))  # which is markup, and would escape what is added to it


def _unlinked(content: Any) -> Any:
    """Markup, or all markup of a list or a mapping."""
    if isinstance(content, dict):
        return {name: _unlinked(each) for name, each in content.items()}
    if isinstance(content, list):
        return [_unlinked(each) for each in content]
    return LINK.sub(r"\1", content)
