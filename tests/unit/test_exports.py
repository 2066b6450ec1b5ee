"""Files for other programs, read back by others and set against the CSV tables."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import zipfile

import duckdb
import numpy as np
import openpyxl
import polars
import pytest
from openpyxl.utils.escape import unescape
from pylatexenc.latexwalker import LatexEnvironmentNode, LatexGroupNode, LatexMacroNode, LatexSpecialsNode, LatexWalker
from study_rows import called, in_rounds, point, quality, tables_of, whole

from dliflow.analysis import columns
from dliflow.report import read
from dliflow.report.exports import figures, latex, markdown, papers, parquet, xlsx
from dliflow.stages import export_tables
from dliflow.study import paths

# What names and reasons may hold, in the order in which programs stumble over it.
NASTY = ["=1+1", "+1", "-1", "@x", "<script>alert(1)</script>", 'a "b", c', "two\nlines", "5.0", "true", "null"]
NASTY += ["$x$ & 100 % of a_b #1 ~^\\{}|*`", "naïve 网络", "it's", "http://example.org", "\x01", "x" * 40_000]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of twenty configurations, and rows with texts of every kind; its tables and their folder."""
    folder = tmp_path_factory.mktemp("study") / "tables"
    whole(folder, groups=2)
    for name in ("accuracy", "parity"):
        for text in NASTY:
            line = [""] * len(columns.TABLES[name])
            values = {"model": text, "framework": "null", "status": "failed", "reason": text, "images": "3"}
            for column, value in values.items():
                line[columns.names(name).index(column)] = '"' + value.replace('"', '""') + '"'
            with open(folder / f"{name}.csv", "a", encoding="utf-8", newline="") as stream:
                stream.write(",".join(line) + "\n")
    return read.tables(folder), folder


@pytest.fixture(scope="module")
def exported(study, tmp_path_factory):
    """The folder that the stage has written."""
    out = tmp_path_factory.mktemp("export")
    parser = argparse.ArgumentParser()
    export_tables.arguments(parser)
    options = ["--tables", study[1], "--out", out, "--mark", out / "complete.json"]
    export_tables.run(parser.parse_args(list(map(str, options))))
    return out


def test_the_stage_writes_what_its_rule_declares(exported):
    declared = {path.removeprefix(f"{paths.EXPORT}/") for path in paths.EXPORTS}
    assert {path.name for path in exported.iterdir()} == {*declared, "figures", "complete.json"}


# --- Parquet ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", columns.TABLES)
def test_parquet_holds_the_table_with_its_types_and_gaps(study, exported, table):
    back = duckdb.read_parquet(str(exported / f"{table}.parquet"))
    assert back.columns == columns.names(table)
    assert list(map(str, back.types)) == [parquet.TYPES[column.kind] for column in columns.TABLES[table]]
    assert [dict(zip(back.columns, row)) for row in back.fetchall()] == getattr(study[0], table)


POLARS = {
    columns.TEXT: polars.String,
    columns.WHOLE: polars.Int64,
    columns.NUMBER: polars.Float64,
    columns.YES_NO: polars.Boolean,
}


@pytest.mark.parametrize("table", columns.TABLES)
def test_another_library_than_wrote_it_reads_the_same_from_parquet(study, exported, table):
    back = polars.read_parquet(exported / f"{table}.parquet")
    assert dict(back.schema) == {column.name: POLARS[column.kind] for column in columns.TABLES[table]}
    assert back.to_dicts() == getattr(study[0], table)
    assert "dliflow" in polars.read_parquet_metadata(exported / f"{table}.parquet")


def test_parquet_tells_what_its_columns_mean(exported):
    query = f"SELECT decode(value) FROM parquet_kv_metadata('{exported / 'performance.parquet'}') WHERE key = 'dliflow'"
    ((text,),) = duckdb.sql(query).fetchall()
    assert '"name": "latency_p50_ms", "kind": "number", "unit": "ms", "meaning": "*the* latency' in text


def test_a_table_without_rows_keeps_its_columns(tmp_path):
    tables_of([], [], tmp_path)
    parquet.write("rounds", tmp_path / "rounds.csv", tmp_path / "it's.parquet")
    back = duckdb.read_parquet(str(tmp_path / "it's.parquet"))
    assert (back.columns, len(back)) == (columns.names("rounds"), 0)


# --- XLSX -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def book(exported):
    """The workbook, as another library reads it."""
    return openpyxl.load_workbook(exported / "study.xlsx")


@pytest.mark.parametrize("table", columns.TABLES)
def test_a_sheet_holds_the_table(study, book, table):
    header, *lines = book[table].iter_rows()
    assert [cell.value for cell in header] == columns.names(table)
    rows = getattr(study[0], table)
    assert len(lines) == len(rows)
    for row, line in zip(rows, lines):
        for column, cell in zip(columns.TABLES[table], line):
            value = row[column.name]
            if column.kind == columns.TEXT and value is not None:
                assert cell.data_type == "s", f"{column.name}: {cell.value!r}"  # text, and no formula
                value = xlsx.shortened(value)
            read_back = unescape(cell.value) if cell.data_type == "s" else cell.value
            close = column.kind == columns.NUMBER and value is not None  # 16 digits are kept
            assert read_back == (pytest.approx(value, rel=1e-15) if close else value)
            assert value is None or isinstance(cell.value, bool) == (column.kind == columns.YES_NO)
            assert cell.hyperlink is None


def test_no_text_becomes_a_formula_even_when_it_is_edited(exported, book):
    with zipfile.ZipFile(exported / "study.xlsx") as archive:
        assert not any(b"<f>" in archive.read(name) for name in archive.namelist() if "worksheets/sheet" in name)
    (place,) = (cell.column for cell in book["accuracy"][1] if cell.value == "reason")
    quoted = {cell.value: cell.quotePrefix for (cell,) in book["accuracy"].iter_rows(min_col=place, max_col=place)}
    assert all(quoted[text] for text in NASTY[:4]) and not quoted["null"]


def test_numbers_are_shown_by_their_unit_and_headers_explained(book):
    sheet = book["performance"]
    names = {cell.value: cell for cell in sheet[1]}
    assert sheet.cell(2, names["latency_p50_ms"].column).number_format == "#,##0.000"
    assert book["accuracy"].cell(2, columns.names("accuracy").index("top1") + 1).number_format == "0.0%"
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref.startswith("A1:")
    assert names["fps"].comment.text.startswith("[images/s] ")
    legend = [[cell.value for cell in line] for line in book["columns"].iter_rows()]
    assert len(legend) == 1 + sum(map(len, columns.TABLES.values()))
    assert ["performance", "batch_size", "whole number", "images", "images in a request", "never"] in legend


def test_every_unit_of_a_number_has_a_format():
    units = {one.unit for declared in columns.TABLES.values() for one in declared if one.kind == columns.NUMBER}
    assert units <= xlsx.FORMATS.keys()


def test_what_a_sheet_cannot_hold_is_said(study, tmp_path, monkeypatch):
    monkeypatch.setattr(xlsx, "ROWS", 5)
    xlsx.write(study[0], tmp_path / "short.xlsx")
    book = openpyxl.load_workbook(tmp_path / "short.xlsx")
    assert book["rounds"].max_row == 6
    told = [line[4].value for line in book["columns"].iter_rows() if line[0].value == "rounds"]
    assert told[0] == f"{len(study[0].rounds):,} rows, of which a sheet holds the first 5; rounds.parquet has all"


# --- Tables for papers ------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    """A tie, one that was measured at another time, a slower one, and a loss in accuracy."""
    points = [point("a", 1, [1.0, 1.1]), point("b", 1, [1.0, 1.2], "int8"), point("c_d", 1, [0.9, 1.5])]
    points += [point("slow", 1, [9.0, 9.1])]
    rounds = in_rounds(1, {called("a"): 1.0, called("b", "int8"): 1.001})
    accuracy = [quality("a"), quality("b", "int8", change=(-0.3, -0.2, -0.1), changed=(0.1, 0.25)), quality("c_d")]
    return tables_of(points, accuracy, tmp_path, *rounds)


def test_the_ranking_tells_what_is_not_told_apart(small):
    (table,) = papers.ranking(small)
    assert table.title == "tiny · cpu · local, batch size 1"
    assert table.key == "ranking-tiny-cpu-local-batch1"
    cells = {row[0]: row[1:] for row in table.rows}
    assert table.rows[0][0] == "a fp32" and cells["a fp32"][2] == "1"
    assert cells["b int8"][2].startswith("≈ 1.00 [0.99")
    assert cells["c_d fp32"][2].startswith("? 1.1")
    assert cells["slow fp32"][2].startswith("8.")
    assert all(re.fullmatch(r"[\d.]+ \[[\d.]+, [\d.]+\]", row[1]) for row in table.rows)
    assert len(table.notes) == 3
    busy = [{**pair, "taken_share": 0.6} for pair in small.comparison]
    (table,) = papers.ranking(small._replace(comparison=busy))
    assert table.title == "tiny · cpu · local, batch size 1, doubtful: the machine was too busy"
    assert len(table.notes) == 2 and table.notes[1].startswith("Doubtful")
    assert not any("≈" in row[3] or "?" in row[3] for row in table.rows)


def test_accuracy_stands_with_its_change_and_bound(small):
    (table,) = papers.accuracy(small)
    assert table.title == "tiny · cpu · few, 20 images"
    assert table.rows[1] == ["b int8", "90.0 [70.0, 97.0]", "100.0 [80.0, 100.0]", "−20.0 [−30.0, −10.0]", "25.0"]
    assert table.rows[0][3:] == ["–", "–"]
    assert not any("parity" in note for note in table.notes)


def test_of_fp32_parity_tells_what_is_lost_and_the_images_stand_beside_it(tmp_path):
    rows = [quality("a", change=(-0.09, 0.0, 0.09), changed=(0.0, 0.022))]
    (table,) = papers.accuracy(tables_of([], rows, tmp_path))
    assert table.rows[0][-1] == "0.0 (2.2)"
    assert (
        table.notes[-1] == "FP32 loses at most what images show, by parity; in parentheses what the images alone tell."
    )


def test_markdown_shows_every_text_as_it_is():
    nasty = papers.Table("k", "t|t", ["n", "x"], [["a|b_c*", "`<b>`"]], ["~n~"])
    assert markdown.table(nasty).splitlines() == [
        *("### t\\|t", "", "| n | x |", "|---|---:|", "| a\\|b\\_c\\* | \\`\\<b>\\` |", "", "\\~n\\~"),
    ]


RULES = ("toprule", "midrule", "bottomrule")


def environments(nodes, name: str) -> list[LatexEnvironmentNode]:
    """Those of a name among nodes, and in braces among them."""
    inside = [each for one in nodes if one.isNodeType(LatexGroupNode) for each in environments(one.nodelist, name)]
    return inside + [one for one in nodes if one.isNodeType(LatexEnvironmentNode) and one.environmentname == name]


def read_latex(text: str) -> list[list[list[str]]]:
    """Of each table its rows of cells; what is not well-formed is an error."""
    nodes, _, _ = LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
    tables = []
    for table in environments(nodes, "table"):
        (tabular,) = environments(table.nodelist, "tabular")
        rows = [[""]]
        for node in tabular.nodelist:
            if node.isNodeType(LatexSpecialsNode) and node.specials_chars == "&":
                rows[-1].append("")
            elif node.isNodeType(LatexMacroNode) and node.macroname == "\\":
                rows.append([""])
            elif not (node.isNodeType(LatexMacroNode) and node.macroname in RULES):
                rows[-1][-1] += node.latex_verbatim()
        tables.append([[cell.strip() for cell in row] for row in rows[:-1]])
    return tables


@pytest.fixture
def for_papers(small):
    """Tables for a paper, one of them with every letter that means something in LaTeX."""
    nasty = papers.Table("k", NASTY[10], ["n", NASTY[10]], [["[x]", NASTY[10]]], [NASTY[10]])
    return [*papers.ranking(small), *papers.accuracy(small), nasty]


def test_latex_is_well_formed_and_holds_every_cell(for_papers, tmp_path):
    latex.write(for_papers, tmp_path / "all.tex")
    text = (tmp_path / "all.tex").read_text(encoding="utf-8")
    found = read_latex(text)
    assert [len(rows) for rows in found] == [1 + len(table.rows) for table in for_papers]
    for rows, table in zip(found, for_papers):
        assert all(len(row) == len(table.header) for row in rows)
    assert found[0][1][0] == "a fp32"
    assert r"{[}x{]} & \$x\$ \& 100 \% of a\_b \#1 \textasciitilde{}\textasciicircum{}\textbackslash{}" in text
    assert not re.search(r"[−±×≈·…]", text)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex; apt-get install texlive-latex-recommended")
def test_latex_sets_every_table(for_papers, tmp_path):
    latex.write(for_papers, tmp_path / "tables.tex")
    paper = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}\input{tables}\end{document}"
    (tmp_path / "paper.tex").write_text(paper)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="latin-1")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout  # in the default class, whose lines are short
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")


def test_without_figures_there_are_files_all_the_same(tmp_path):
    tables = tables_of([], [], tmp_path)
    assert papers.ranking(tables) == papers.accuracy(tables) == []
    markdown.write([], tmp_path / "none.md")
    latex.write([], tmp_path / "none.tex")
    figures.write(tables, tmp_path / "figures")
    assert (tmp_path / "none.md").read_text() == "No figures.\n"
    assert list((tmp_path / "figures").iterdir()) == []


# --- Figures for papers -----------------------------------------------------------------------------------------------


def test_figures_are_as_wide_as_said_and_light(exported):
    names = {path.name for path in (exported / "figures").iterdir()}
    settings = [*(f"ranking-tiny-cpu-local-batch{size}" for size in (1, 2, 4, 8)), "tradeoff-tiny-cpu-local-batch1"]
    assert names == {
        f"{name}-{width}.{kind}" for name in settings for width in figures.WIDTHS for kind in figures.KINDS
    }
    for path in (exported / "figures").iterdir():
        width = figures.WIDTHS[path.stem.rpartition("-")[2]] * 72
        head = path.read_bytes()
        size = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)" if path.suffix == ".pdf" else rb'width="([\d.]+)pt"', head)
        assert float(size[1]) == pytest.approx(width, abs=0.01)
        assert len(head) < 200_000


@pytest.mark.filterwarnings("error")
def test_intervals_far_beyond_an_axis_leave_its_layout_alone(study):
    """Seen: a caret at 0 on a logarithmic axis, so that names were cut off and no picture was laid out."""
    for _, draw in figures.drawn(study[0]):
        draw(figures.WIDTHS["column"]).draw_without_rendering()


def test_letters_of_figures_are_large_enough_to_read(study):
    batch_figures = [draw(width) for _, draw in figures.drawn(study[0]) for width in figures.WIDTHS.values()]
    for figure in batch_figures:
        figure.draw_without_rendering()
        sizes = [
            text.get_fontsize() for text in figure.findobj(lambda one: hasattr(one, "get_fontsize")) if text.get_text()
        ]
        assert min(sizes) >= 6


def test_the_same_tables_give_the_same_figures(small, tmp_path):
    for name in ("one", "two"):
        figures.write(small, tmp_path / name)
    one, two = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert np.all([path.stat().st_size > 1000 for path in one])
