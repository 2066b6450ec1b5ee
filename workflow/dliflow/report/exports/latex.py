"""Tables for papers in LaTeX, with the lines of the package booktabs, as wide as the text at most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dliflow.files import write_text
from dliflow.report.exports.papers import Table
from dliflow.report.units import unbroken

NEEDED = "% Needs \\usepackage{booktabs,graphicx}. Copy what you need, or \\input the whole file."
FITTED = r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"  # only what is too wide is made smaller
ESCAPES = str.maketrans(
    {letter: f"\\{letter}" for letter in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": "$<$", ">": "$>$", "|": r"\textbar{}", '"': "''"}
    | {"[": "{[}", "]": "{]}"}  # in brackets, the beginning of a line would be an option of the end of the last one
    | {"−": "$-$", "±": r"$\pm$", "×": r"$\times$", "≈": r"$\approx$", "≥": r"$\geq$", "≤": r"$\leq$"}
    | {"·": r"$\cdot$", "–": "--", "…": r"\ldots{}", "’": "'", "“": "``", "”": "''", "\N{NO-BREAK SPACE}": "~"}
)


def escaped(text: str) -> str:
    """A text that is set as it is."""
    return text.translate(ESCAPES)


def line(cells: Sequence[str]) -> str:
    """One line of a table."""
    return "    " + " & ".join(map(escaped, cells)) + r" \\"


def table(of: Table) -> str:
    """A floating table with its caption above, and the notes below."""
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{escaped(of.title)}}}",
            f"  \\label{{tab:{of.key}}}",
            FITTED,
            f"  \\begin{{tabular}}{{l{'r' * (len(of.header) - 1)}}}",
            r"    \toprule",
            line(of.header),
            r"    \midrule",
            *map(line, of.rows),
            r"    \bottomrule",
            r"  \end{tabular}}",
            "",
            f"  \\smallskip {{\\footnotesize {escaped(unbroken(' '.join(of.notes)))}}}",
            r"\end{table}",
        ]
    )


def write(tables: Sequence[Table], out: Path) -> None:
    """Write tables into one file."""
    write_text(out, "\n\n".join([NEEDED, *map(table, tables)]) + "\n")
