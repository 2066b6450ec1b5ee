"""A study's own page, away from where the study ran: links to files that are not there become text."""

from __future__ import annotations

import re

# From here on a page has no more markup, but scripts, which its policy allows by their hashes.
DATA = '<script type="application/json"'
LINK = re.compile(r'<a href="(?!#|[a-z]+:)[^"]*">(.*?)</a>', re.DOTALL)


def without_links(page: str) -> str:
    """A page without its links to files beside it: records, tables, pictures, what is deployed."""
    written, mark, rest = page.partition(DATA)
    return LINK.sub(r"\1", written) + mark + rest
