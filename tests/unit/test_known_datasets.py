"""Datasets as they are handed out: each row of docs/add-a-dataset.md that says how, tried on small files made anew."""

from __future__ import annotations

import re

import pytest
import yaml
from project import ROOT

from dliflow.images import labels
from dliflow.study import config

TITLE = "### Known datasets, as they are handed out\n"
SYNSETS = (ROOT / "resources/imagenet_synsets.txt").read_text().split()
NUMBERS = [f"class {index}" for index in range(1000)]

# The beginning of a row, and what such a dataset looks like: the classes, the file of labels, and the label of each
# image (None: it is left out).
CASES = {
    "ImageNet from Kaggle": (
        SYNSETS,
        "ImageId,PredictionString\n"
        "ILSVRC2012_val_00000002,n01440764 8 5 50 40 n01440764 1 1 9 9 \nILSVRC2012_val_00000001,n01751748 1 2 3 4 \n",
        {"val/ILSVRC2012_val_00000001.JPEG": 65, "val/ILSVRC2012_val_00000002.JPEG": 0},
    ),
    "ImageNetV2": (NUMBERS, None, {"0/a.jpeg": 0, "10/b.jpeg": 10, "2/c.jpeg": 2, "999/d.jpeg": 999}),
    "Tiny ImageNet, validation": (
        ["n02", "n01"],
        "val_0.JPEG\tn01\t0\t32\t44\t62\nval_1.JPEG\tn02\t52\t55\t57\t59\n",
        {"images/val_0.JPEG": 1, "images/val_1.JPEG": 0},
    ),
    "Tiny ImageNet, training": (["n02", "n01"], None, {"n01/images/n01_0.JPEG": 1, "train/n02/images/n02_0.JPEG": 0}),
    "Imagenette": (
        SYNSETS,
        "path,noisy_labels_0,noisy_labels_1,is_valid\nval/n01440764/a.JPEG,n01440764,n03028079,True\n"
        "train/n03028079/b.JPEG,n03028079,n01440764,False\n",
        {"val/n01440764/a.JPEG": 0, "train/n03028079/b.JPEG": 497},
    ),
    "Places365": (
        NUMBERS,
        "Places365_val_00000001.jpg 165\nPlaces365_val_00000002.jpg 358\n",
        {"val_256/Places365_val_00000001.jpg": 165, "val_256/Places365_val_00000002.jpg": 358},
    ),
    "iNaturalist 2018": (NUMBERS * 9, None, {"Aves/2761/a.jpg": 2761, "Plantae/10/b.jpg": 10}),
    "iNaturalist 2021": (NUMBERS, None, {"val/00003_Animalia_Annelida/a.jpg": 3, "val/00010_Fungi_a_b/b.jpg": 10}),
    "Food-101": (
        ["apple_pie", "churros"],
        "churros/1061830\napple_pie/1011328\n",
        {"images/apple_pie/1011328.jpg": 0, "images/churros/1061830.jpg": 1, "images/churros/2.jpg": None},
    ),
    "Stanford Cars": (
        NUMBERS,
        "00001.jpg,30,52,246,147,181\n00002.jpg,100,19,576,203,103\n",
        {"cars_test/00001.jpg": 180, "cars_test/00002.jpg": 102},
    ),
    "Stanford Dogs": (
        ["Chihuahua", "black-and-tan_coonhound"],
        None,
        {"Images/n02085620-Chihuahua/a.jpg": 0, "Images/n02089078-black-and-tan_coonhound/b.jpg": 1},
    ),
    "Kaggle's Dog Breed Identification": (
        ["boston_bull", "dingo"],
        "id,breed\n000bec180eb18c7604dcecc8fe0dba07,boston_bull\n001513dfcb2ffafc82cccf4d8bbaba97,dingo\n",
        {"train/000bec180eb18c7604dcecc8fe0dba07.jpg": 0, "train/001513dfcb2ffafc82cccf4d8bbaba97.jpg": 1},
    ),
    "Oxford-IIIT Pets": (
        NUMBERS,
        "Abyssinian_201 1 1 1\nyorkshire_terrier_9 37 2 25\n",
        {"images/Abyssinian_201.jpg": 0, "images/Abyssinian_1.jpg": None, "images/yorkshire_terrier_9.jpg": 36},
    ),
    "Oxford Flowers": (NUMBERS, None, {"valid/1/a.jpg": 0, "valid/10/b.jpg": 9, "valid/102/c.jpg": 101}),
    "CUB-200": (NUMBERS, None, {"images/001.Black_footed_Albatross/a.jpg": 0, "images/010.Red_Blackbird/b.jpg": 9}),
    "CIFAR-10 from Kaggle": (
        ["frog", "truck"],
        "id,label\n1,frog\n2,truck\n10,truck\n",
        {"train/1.png": 0, "train/2.png": 1, "train/10.png": 1},
    ),
    "CIFAR-10 as PNG": (["frog", "truck"], None, {"test/7_frog.png": 0, "test/17_truck.png": 1}),
    "GTSRB": (
        NUMBERS,
        "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n00000.ppm;53;54;6;5;48;49;16\n"
        "00001.ppm;42;45;5;5;36;40;1\n",
        {"Images/00000.ppm": 16, "Images/00001.ppm": 1},
    ),
    "FGVC Aircraft": (
        ["707-320", "Challenger 600"],
        "0062765 707-320\n1846525 Challenger 600\n",
        {"images/0062765.jpg": 0, "images/1846525.jpg": 1, "images/0000001.jpg": None},
    ),
    "Describable Textures": (
        ["banded", "blotchy"],
        "banded/banded_0002.jpg\nblotchy/blotchy_0003.jpg\n",
        {"images/banded/banded_0002.jpg": 0, "images/blotchy/blotchy_0003.jpg": 1, "images/banded/b.jpg": None},
    ),
    "SUN397": (
        ["/a/abbey", "/a/apartment_building/outdoor"],
        "/a/abbey/sun_1.jpg\n/a/apartment_building/outdoor/sun_2.jpg\n",
        {"a/abbey/sun_1.jpg": 0, "a/abbey/sun_3.jpg": None, "a/apartment_building/outdoor/sun_2.jpg": 1},
    ),
    "HAM10000": (
        ["bkl", "nv"],
        "lesion_id,image_id,dx,dx_type\nHAM_0000118,ISIC_0027419,bkl,histo\nHAM_0000119,ISIC_0025030,nv,histo\n",
        {"HAM10000_images_part_1/ISIC_0027419.jpg": 0, "HAM10000_images_part_2/ISIC_0025030.jpg": 1},
    ),
    "ISIC 2018": (
        ["AKIEC", "BCC", "BKL", "DF", "MEL", "NV", "VASC"],
        "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\nISIC_0034524,0.0,1.0,0.0,0.0,0.0,0.0,0.0\n"
        "ISIC_0034525,1.0,0.0,0.0,0.0,0.0,0.0,0.0\n",
        {"ISIC_0034524.jpg": 5, "ISIC_0034525.jpg": 4},
    ),
    "Hugging Face's image folder: `metadata.csv`": (
        NUMBERS,
        "file_name,label\ntest/0001.png,3\ntest/0002.png,10\n",
        {"test/0001.png": 3, "test/0002.png": 10},
    ),
    "Hugging Face's image folder: `metadata.jsonl`": (
        NUMBERS,
        '{"file_name": "0001.png", "label": 3}\n\n{"file_name": "0002.png", "label": 10}\n',
        {"test/0001.png": 3, "test/0002.png": 10},
    ),
    "MXNet's list": (
        NUMBERS,
        "1\t65.000000\tval/a b.JPEG\n0\t2.000000\tval/c.JPEG\n",
        {"val/a b.JPEG": 65, "val/c.JPEG": 2},
    ),
    "a CSV from Excel": (NUMBERS, "file;label\r\ngrün.jpg;1\r\nweiß.jpg;2\r\n", {"a/grün.jpg": 1, "a/weiß.jpg": 2}),
    "a list with Windows' paths": (
        NUMBERS,
        "C:\\photos\\1.jpg 3\nC:\\photos\\cats\\2 b.jpg 4\n",
        {"1.jpg": 3, "cats/2 b.jpg": 4},
    ),
}


def rows() -> dict[str, str]:
    """The table's rows: what people have, and the `labels` that say it."""
    table = (ROOT / "docs/add-a-dataset.md").read_text(encoding="utf-8").split(TITLE)[1].split("\n## ")[0]
    return dict(re.findall(r"^\| (.+?) \| `(\{.*\})` \|$", table, re.MULTILINE))


def test_every_row_is_tried():
    assert len(rows()) == len(CASES)


@pytest.mark.parametrize("beginning", CASES)
def test_a_known_dataset(tmp_path, beginning):
    called, text, right = CASES[beginning]
    (row,) = (rule for title, rule in rows().items() if title.startswith(beginning))
    entry = config.validated(
        {"source": {"from": [{"path": "data"}]}, "labels": yaml.safe_load(row)}, "dataset", beginning
    )
    rule, names = entry["labels"], sorted(right)
    assert (text is None) == ("file" not in rule)
    path = tmp_path / "labels"
    path.write_bytes((text or "").encode(rule.get("encoding", "utf-8")))
    if rule.get("only_listed", False):
        names = labels.only_listed(names, rule, path)
    given = dict(zip(names, labels.of_images(names, rule, path, labels.Classes(len(called), called))))
    assert given == {name: label for name, label in right.items() if label is not None}
