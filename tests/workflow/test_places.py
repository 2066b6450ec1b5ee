"""Where a checkout can lie."""

from __future__ import annotations

import shutil

from project import Project


def test_braces_in_the_path_are_refused_at_once(template, tmp_path, environments):
    """Seen: a NameError out of Snakemake, after the first jobs."""
    shutil.copytree(template, tmp_path / "a {b}", symlinks=True)
    output = Project(tmp_path / "a {b}", environments).fail("--dry-run", "all")
    assert "a {b}: Snakemake takes what stands in braces for names of its own; move the checkout" in output
