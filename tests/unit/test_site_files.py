"""The site of a collection as files: links that lead somewhere, names as text, nothing of others replaced."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import duckdb
import pytest
from collected import FACTS, World, study

from dliflow.collection import publish, shelf, site
from dliflow.errors import DliflowError

WORLD = World(models=("tiny", "torchvision/resnet50"))


@pytest.fixture(scope="module")
def collection(tmp_path_factory) -> Path:
    """Two machines, three months, a study that is invalid."""
    folder = tmp_path_factory.mktemp("collection")
    slow = {**FACTS, "cpu": "A <b>slow</b> CPU"}
    for month in range(3):
        publish.publish(folder / "all", study(folder / f"a{month}", WORLD, month))
        publish.publish(folder / "all", study(folder / f"b{month}", WORLD, month, slow, pace=2.0))
    invalid = shelf.entries(folder / "all")[1]
    shelf.mark_invalid(invalid, "somebody compiled <i>beside</i> it")
    return folder / "all"


@pytest.fixture(scope="module")
def made(collection, tmp_path_factory) -> Path:
    """Its site."""
    out = tmp_path_factory.mktemp("site") / "of it"
    pages = site.write(collection, out, "Ours & theirs")
    assert pages[0] == out / "index.html" and len(pages) == 5
    return out


class Links(HTMLParser):
    """What a page refers to, and its anchors."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value)
            if name == "id":
                self.ids.append(value)


def own_pages(folder: Path) -> list[Path]:
    return [folder / "index.html", *sorted((folder / "history").rglob("*.html"))]


def test_every_link_leads_to_a_file_of_the_site_or_an_anchor_of_the_page(made):
    for path in own_pages(made):
        page = Links(path)
        assert len(page.ids) == len(set(page.ids)), path
        for link in page.links:
            target, _, anchor = link.partition("#")
            assert not re.match("[a-z]+:|//|/", link), f"{link} leaves the site"
            if target:
                assert (path.parent / unquote(target)).resolve().is_file(), f"{path}: {link}"
                assert (path.parent / unquote(target)).resolve().is_relative_to(made.resolve())
            else:
                assert unquote(anchor) in page.ids, f"{path}: {link}"


def test_the_studies_lie_in_the_site_as_in_the_collection(made, collection):
    def files(folder):
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert files(made / "studies") == files(collection)


def test_texts_of_studies_are_no_markup(made):
    for path in own_pages(made):
        text = path.read_text(encoding="utf-8")
        assert "<b>slow" not in text and "<i>beside" not in text
    index = (made / "index.html").read_text(encoding="utf-8")
    assert "invalid: somebody compiled &lt;i&gt;beside&lt;/i&gt; it" in index
    assert "<title>Ours &amp; theirs</title>" in index
    assert "5 studies of 2 machines" in index and "1 more is marked invalid" in index


def test_the_query_on_the_page_runs_in_the_site(made, monkeypatch):
    monkeypatch.chdir(made)
    rows = duckdb.sql((Path(site.__file__).parent / "query.sql").read_text()).fetchall()
    assert len(rows) == 5 * 2  # valid studies × frameworks
    assert {row[4] for row in rows} == {"int8"}


def test_a_study_of_a_busy_machine_is_doubtful_wherever_its_latencies_stand(tmp_path):
    """Among the studies, in the overview, in the last figures and, if it is of either side, in what changed."""
    doubt = "others took up to 52 % of <it>; stop them"
    world = World(frameworks=["tflite"], sizes=[1], speed={("tflite", 1): 2.0})
    for month in range(3):
        made = study(tmp_path / str(month), world, month, doubt=doubt if month == 1 else "")
        publish.publish(tmp_path / "all", made)
    index, history = site.write(tmp_path / "all", tmp_path / "site", "t")
    text = history.read_text(encoding="utf-8")
    assert index.read_text(encoding="utf-8").count("finished, doubtful") == text.count("finished, doubtful") == 1
    assert "the study before: others took up to 52" in text and "the later study: others took up to 52" in text
    assert "<it>" not in text and "stop them" not in text
    publish.publish(tmp_path / "all", study(tmp_path / "3", world, 3, doubt=doubt))
    index, history = site.write(tmp_path / "all", tmp_path / "site", "t")
    for page in (index, history):  # as that of the last figures
        of_last = Links(page)
        assert [link for link in of_last.links if link in ("#overview-a", "#now-a")], page


def test_gpus_are_named_wherever_a_machine_is(tmp_path):
    """On its history, in the overview, among the studies and in the facts."""
    world, several = World(frameworks=["tflite"], sizes=[1]), ["NVIDIA <b>H200</b>", "NVIDIA L4", "NVIDIA L4"]
    publish.publish(tmp_path / "all", study(tmp_path / "without", world))
    publish.publish(tmp_path / "all", study(tmp_path / "with", world, facts={**FACTS, "gpus": several}))
    index, *histories = (
        path.read_text("utf-8").replace("\u00a0", " ") for path in site.write(tmp_path / "all", tmp_path / "site", "t")
    )
    named, machine = "NVIDIA &lt;b&gt;H200&lt;/b&gt;, 2 × NVIDIA L4", "A CPU, 4 CPUs, 16 GiB"
    assert [f"<dt>NVIDIA GPUs</dt><dd>{named}</dd>" in page for page in histories].count(True) == 1
    assert {re.search("<title>(.+)</title>", page)[1] for page in histories} == {
        f"tiny on {machine}",
        f"tiny on {machine}, {named}",
    }
    assert index.count(f"{machine}, {named}<") == 2 and "2 studies of 2 machines" in index


@pytest.mark.parametrize(("months", "said"), [(1, "The only study is marked invalid"), (2, "All 2 studies are marked")])
def test_a_site_of_studies_that_are_all_invalid_says_so(tmp_path, months, said):
    for month in range(months):
        publish.publish(tmp_path / "all", study(tmp_path / str(month), World(frameworks=["tflite"], sizes=[1]), month))
    for each in shelf.entries(tmp_path / "all"):
        shelf.mark_invalid(each, "a backup ran")
    (index,) = site.write(tmp_path / "all", tmp_path / "site", "t")
    text = index.read_text("utf-8")
    assert said in text and text.count("invalid: a backup ran") == months
    assert "tflite" not in re.search('(?s)<section id="overview">.+?</section>', text)[0]


def test_a_site_is_replaced_and_nothing_else_is(tmp_path_factory, tmp_path):
    folder = tmp_path_factory.mktemp("one")
    collection, out = folder / "all", tmp_path / "site"
    publish.publish(collection, study(folder / "study", World(frameworks=["tflite"], sizes=[1])))
    site.write(collection, out, "first")
    site.write(collection, out, "second")
    assert "<title>second</title>" in (out / "index.html").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    (out / ".git").mkdir()
    with pytest.raises(
        DliflowError, match=r"site: is replaced as a whole, and holds what is no part of a site: \.git; "
    ):
        site.write(collection, out, "third")
    assert (out / ".git").is_dir()
    home = tmp_path / "home"
    home.mkdir()
    (home / "letter.txt").write_text("")
    for other in (home, home / "letter.txt"):
        with pytest.raises(DliflowError, match="is there, and is no site of a collection"):
            site.write(collection, other, "t")
    assert (home / "letter.txt").exists()


def test_a_damaged_study_stops_the_site_with_its_name(collection, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(collection, copy)
    page = next(copy.rglob("page/index.html"))
    page.write_text("other")
    with pytest.raises(DliflowError, match=re.escape(f"{page} is damaged")):
        site.write(copy, tmp_path / "site", "t")
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("name", ["torchvision/resnet50", "..", "a b", "名前", "x" * 300, "A.b"])
def test_a_model_of_any_name_has_a_file_of_its_own(name):
    safe = site.file_name(name)
    assert re.fullmatch("[A-Za-z0-9_-]{1,69}", safe) and safe != site.file_name(name + "'")
    assert site.file_name("tiny") == "tiny"
