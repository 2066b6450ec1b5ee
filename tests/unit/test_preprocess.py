"""Images to pixels."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from dliflow.errors import DliflowError
from dliflow.images import dataset
from dliflow.images.preprocess import TAKEN, decode, preprocess

GEOMETRY = {"height": 4, "width": 4, "resize": {"short_side": 4}, "interpolation": "nearest"}


def image(width, height):
    pixels = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    return Image.fromarray(pixels)


def test_centre_crop_after_the_short_side():
    picture = image(8, 4)
    pixels = preprocess(picture, GEOMETRY)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, np.asarray(picture)[:, 2:6])


@pytest.mark.parametrize(
    ("size", "resized", "offset"),
    [
        ((500, 375), (341, 256), 58),
        ((500, 333), (384, 256), 80),
        ((1000, 747), (342, 256), 59),
        ((1000, 745), (343, 256), 60),
    ],
)
def test_sizes_and_offsets_are_rounded_as_torchvision_does_it(size, resized, offset):
    """The figures are those of torchvision 0.28 for Resize(256) and CenterCrop(224)."""
    geometry = {"height": 224, "width": 224, "resize": {"short_side": 256}, "interpolation": "bilinear"}
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8))
    whole = np.asarray(picture.resize(resized, Image.Resampling.BILINEAR))
    assert np.array_equal(preprocess(picture, geometry), whole[16:240, offset : offset + 224])


def test_squash_takes_the_whole_image():
    picture = image(8, 4)
    assert np.array_equal(preprocess(picture, {**GEOMETRY, "resize": "squash"}), np.asarray(picture.resize((4, 4), 0)))


@pytest.mark.parametrize(("side", "left"), [(100, 88), (224, 196), (15, 15), (16, 14), (17, 15), (331, 291), (47, 43)])
def test_a_central_crop_is_tensorflow_s(side, left):
    """What is left of a side, as `tf.image.central_crop(image, 0.875)` of TensorFlow 2.21 leaves it."""
    geometry = {"height": left, "width": left, "resize": {"central_fraction": 0.875}, "interpolation": "bilinear"}
    offset = (side - left) // 2
    picture = image(side, side)
    cut = np.asarray(picture)[offset : offset + left, offset : offset + left]
    assert np.array_equal(preprocess(picture, geometry), cut)  # resized to its own size


def test_a_central_crop_is_resized_without_what_lies_around_it():
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[1:15, 2:30] = 200
    geometry = {"height": 5, "width": 5, "resize": {"central_fraction": 0.875}, "interpolation": "bicubic"}
    assert (preprocess(Image.fromarray(pixels), geometry) == 200).all()


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "1", "I;16"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    suffix = "jpg" if mode == "CMYK" else "png"
    source = Image.fromarray(np.full((6, 6), 300, np.uint16)) if mode == "I;16" else image(6, 6).convert(mode)
    source.save(tmp_path / f"a.{suffix}")
    assert decode(tmp_path / f"a.{suffix}").mode == "RGB"


# Values, how they are saved, and what they are of 255; None where no file could tell what black and white are.
GREYS = {
    "16 bits": (np.array([0, 3084, 32_896, 65_535], np.uint16), "png", {}, [0, 12, 128, 255]),
    "16 bits, TIFF": (np.array([0, 3084, 32_896, 65_535], np.uint16), "tif", {}, [0, 12, 128, 255]),
    "16 bits, big-endian": (np.array([0, 3084, 32_896, 65_535], ">u2"), "tif", {}, [0, 12, 128, 255]),
    "16 bits, dark": (np.array([0, 0, 100, 300], np.uint16), "png", {}, [0, 0, 0, 1]),
    "16 bits, PGM": (np.array([0, 257, 258, 514], np.uint16), "pgm", {}, [0, 1, 1, 2]),
    "16 bits, white is 0": (np.array([0, 3084, 32_896, 65_535], np.uint16), "tif", {262: 0}, [255, 243, 127, 0]),
    "32 bits, of 8": (np.array([0, 12, 128, 200], np.int32), "tif", {}, [0, 12, 128, 200]),
    "32 bits, of 16": (np.array([0, 3084, 32_896, 65_535], np.int32), "tif", {}, [0, 12, 128, 255]),
    "32 bits": (np.array([0, 2**27, 2**30, 2**31 - 1], np.int32), "tif", {}, [0, 16, 128, 255]),
    "32 bits without a sign": (
        np.array([0, -1, -(2**31), 2**30], np.int32),
        "tif",
        {339: 1},
        [0, 255, 128, 64],
    ),  # -1 is 2**32 - 1
    "32 bits, signed": (np.array([0, 5, -3, 200], np.int32), "tif", {}, "values go from -3 to 200"),
    "32 bits, of none": (np.array([0, 0, 0, 300], np.int32), "tif", {}, "its brightest value is 300, so white"),
    "float to 1": (np.array([0, 0.25, 0.5, 1], np.float32), "tif", {}, [0, 64, 128, 255]),
    "float to 255": (np.array([0, 12, 128.4, 254], np.float32), "tif", {}, [0, 12, 128, 254]),
    "float to 65 535": (np.array([0, 3084, 32_896, 65_535], np.float32), "tif", {}, [0, 12, 128, 255]),
    "float, a little above 1": (
        np.array([0, 0.2, 0.7, 1.01], np.float32),
        "tif",
        {},
        "brightest value is 1.01, so white",
    ),
    "float, too much": (np.array([0, 0.2, 0.7, 1e9], np.float32), "tif", {}, r"brightest value is 1e\+09, so white"),
    "float, below 0": (np.array([-0.1, 0.2, 0.7, 1], np.float32), "tif", {}, "values go from -0.1 to 1"),
    "float, none": (np.array([np.nan, 0.2, 0.7, 1], np.float32), "tif", {}, "values go from nan"),
    "float, infinite": (np.array([np.inf, 0.2, 0.7, 1], np.float32), "tif", {}, "values go from 0.2 to inf"),
}


@pytest.mark.parametrize("name", GREYS)
@pytest.mark.parametrize("turn", [1, 3])
def test_values_of_more_than_8_bits_are_scaled_by_their_range(tmp_path, name, turn):
    values, suffix, tags, right = GREYS[name]
    path = tmp_path / f"a.{suffix}"
    picture = Image.fromarray(values.reshape(2, 2))
    if suffix == "tif":
        picture.save(path, tiffinfo={**tags, 274: turn})
        if 339 in tags:  # Pillow writes what it thinks right
            signed, unsigned = (struct.pack("<HHIHH", 339, 3, 1, kind, 0) for kind in (2, 1))
            path.write_bytes(path.read_bytes().replace(signed, unsigned))
    elif suffix == "png":
        exif = Image.Exif()
        exif[274] = turn
        picture.save(path, exif=exif)
    elif turn == 1:
        picture.save(path)
    else:
        return
    if isinstance(right, str):
        with pytest.raises(DliflowError, match=rf"a\.{suffix}: .*{right}"):
            decode(path)
        return
    pixels = np.asarray(decode(path))
    expected = right if turn == 1 else right[::-1]
    assert pixels.shape == (2, 2, 3)
    assert pixels[..., 0].ravel().tolist() == expected
    assert (pixels == pixels[..., :1]).all()


def tiff(pixels, planes=1, packed=False, turn=1):
    """A TIFF of (height, width[, colours]) in the pixels' byte order, colours together or in planes, or compressed."""
    order, colours = ">" if pixels.dtype.byteorder == ">" else "<", pixels.shape[2] if pixels.ndim == 3 else 1
    parts = [pixels.tobytes()] if planes == 1 else [plane.tobytes() for plane in np.moveaxis(pixels, 2, 0)]
    parts = [zlib.compress(part) for part in parts] if packed else parts
    starts = [8 + len(b"".join(parts[:place])) for place in range(len(parts))]
    entries = {
        **{256: [pixels.shape[1]], 257: [pixels.shape[0]], 258: [pixels.itemsize * 8] * colours},
        **{259: [8 if packed else 1], 262: [min(colours, 2)], 273: starts, 274: [turn], 277: [colours]},
        **{278: [pixels.shape[0]], 279: [len(part) for part in parts], 284: [planes]},
        339: ["uif".index(pixels.dtype.kind) + 1] * colours,
    }
    after, table = b"".join(parts), b""
    for tag, values in entries.items():
        place = values[0] if len(values) == 1 else 8 + len(after)
        table += struct.pack(f"{order}HHII", tag, 4, len(values), place)
        after += struct.pack(f"{order}{len(values)}I", *values) if len(values) > 1 else b""
    begin = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(f"{order}I", 8 + len(after))
    return begin + after + struct.pack(f"{order}H", len(entries)) + table + bytes(4)


COLOURS = np.array([[[0, 3084, 32_896], [65_535, 0, 257]]], np.uint16)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_colours_of_16_bits_in_a_tiff(tmp_path, order, packed):
    (tmp_path / "a.tif").write_bytes(tiff(COLOURS.astype(f"{order}u2"), packed=packed))
    assert np.asarray(decode(tmp_path / "a.tif")).tolist() == [[[0, 12, 128], [255, 0, 1]]]


@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u2", "u4", "u8", "i4", "f2", "f4", "f8"])
def test_colours_that_pillow_does_not_know_are_scaled_by_their_range(tmp_path, kind, order, planes):
    pixels = (COLOURS / 65_535 if kind[0] == "f" else COLOURS).astype(f"{order}{kind}")
    (tmp_path / "a.tif").write_bytes(tiff(pixels, planes))
    assert np.asarray(decode(tmp_path / "a.tif")).tolist() == [[[0, 12, 128], [255, 0, 1]]]


def test_colours_that_pillow_does_not_know_are_turned_and_lose_their_transparency(tmp_path):
    pixels = np.concatenate([COLOURS, COLOURS[..., :1] * 0], 2) / np.float32(65_535)
    (tmp_path / "a.tif").write_bytes(tiff(pixels.astype("<f4"), turn=3))
    assert np.asarray(decode(tmp_path / "a.tif")).tolist() == [[[255, 0, 1], [0, 12, 128]]]
    (tmp_path / "a.tif").write_bytes(tiff(pixels[..., 0].astype("<f2")))
    assert np.asarray(decode(tmp_path / "a.tif"))[..., 0].tolist() == [[0, 255]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (np.float32([[[0, 0.5, 1.01]]]), "its brightest value is 1.01, so white is not known"),
        (np.float32([[[0, 0.5, -1]]]), "its values go from -1 to 0.5"),
    ],
)
def test_colours_of_no_known_range_are_refused(tmp_path, content, reason):
    (tmp_path / "a.tif").write_bytes(tiff(content))
    with pytest.raises(DliflowError, match=rf"a\.tif: {reason}"):
        decode(tmp_path / "a.tif")


def test_colours_whose_parts_do_not_fit_their_size_are_told(tmp_path):
    size = struct.pack("<HHII", 279, 4, 1, 24)
    content = tiff(COLOURS.astype(np.float32))
    assert size in content
    (tmp_path / "a.tif").write_bytes(content.replace(size, struct.pack("<HHII", 279, 4, 1, 12)))
    with pytest.raises(DliflowError, match=r"a\.tif: broken image: .*take 24 bytes, and its strips have 12"):
        decode(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tiff(np.zeros((2, 2, 3), np.float32), packed=True), "a TIFF of 3 samples of 32 bits, float, compressed"),
        (tiff(np.zeros((2, 2, 5), np.uint32)), "a TIFF of 5 samples of 32 bits, whole numbers, which is not"),
        (tiff(COLOURS)[:20], "a TIFF of unknown samples"),
        (tiff(np.ones((2, 2), ">f4"), packed=True), "a TIFF of compressed big-endian samples of 32 bits"),
        (tiff(np.ones((2, 2), ">i2"), packed=True), "a TIFF of compressed big-endian samples of 16 bits"),
        (tiff(np.ones((2, 2), np.int8)), "a TIFF of samples of 8 bits with a sign"),
    ],
    ids=["packed colours", "five samples", "cut off", "packed float", "packed with a sign", "8 bits with a sign"],
)
def test_a_tiff_that_pillow_cannot_read_or_reads_wrongly_is_told_as_such(tmp_path, content, reason):
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(DliflowError, match=rf"a\.tif: {reason}"):
        decode(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "a pointer of Git LFS in place of the file"),
        (b"\n<!DOCTYPE html><title>not found</title>", "a web page in place of the file"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a photograph in HEIC, which is not read; save it as JPEG"),
    ],
)
def test_what_a_file_is_in_place_of_an_image(tmp_path, content, reason):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(DliflowError, match=rf"a\.jpg: {reason}"):
        decode(tmp_path / "a.jpg")


def test_exif_that_is_none_turns_nothing(tmp_path):
    image(8, 4).save(tmp_path / "a.png", exif=b"Exif\0\0" + bytes(20))
    with Image.open(tmp_path / "a.png") as picture, pytest.raises(SyntaxError):
        picture.getexif()
    assert decode(tmp_path / "a.png").size == (8, 4)


def unwritable(tag, kind, value):
    """EXIF with the orientation 6 and an entry that Pillow reads but cannot write back."""
    entries = sorted([(274, 3, b"\6\0\0\0"), (tag, kind, value)])
    table = b"".join(
        struct.pack("<HHI", tag, kind, len(value) if kind == 2 else 1) + value[:4] for tag, kind, value in entries
    )
    if kind == 10:
        table = table.replace(value[:4], struct.pack("<I", 8 + 2 + len(table) + 4))
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + table + bytes(4) + value


@pytest.mark.parametrize(
    ("tag", "kind", "value"),
    [(256, 8, struct.pack("<hH", -5, 0)), (273, 2, b"abc\0"), (282, 10, struct.pack("<ii", -1, 0))],
)
def test_exif_that_cannot_be_written_back_rotates_all_the_same(tmp_path, tag, kind, value):
    exif = unwritable(tag, kind, value)
    image(8, 4).save(tmp_path / "a.jpg", exif=exif)
    with Image.open(tmp_path / "a.jpg") as picture, pytest.raises(struct.error):
        ImageOps.exif_transpose(picture)
    assert decode(tmp_path / "a.jpg").size == (4, 8)


@pytest.mark.parametrize("turn", range(10))
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_every_orientation_is_pillow_s(tmp_path, turn, suffix):
    exif = Image.Exif()
    exif[0x0112] = turn
    image(8, 4).save(tmp_path / f"a.{suffix}", exif=exif, lossless=True)
    with Image.open(tmp_path / f"a.{suffix}") as picture:
        right = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    assert np.array_equal(np.asarray(decode(tmp_path / f"a.{suffix}")), right)


def test_exif_rotation_is_applied(tmp_path):
    picture = image(8, 4)
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert decode(tmp_path / "a.jpg").size == (4, 8)


@pytest.mark.parametrize(
    "error", [struct.error("x"), KeyError("x"), TypeError("x"), MemoryError(), ZeroDivisionError()]
)
def test_any_error_of_the_library_is_the_image_s(tmp_path, monkeypatch, error):
    image(8, 4).save(tmp_path / "a.png")

    def fail(self):
        raise error

    monkeypatch.setattr(Image.Image, "getexif", fail)
    with pytest.raises(DliflowError, match=rf"a\.png: broken image: {type(error).__name__}"):
        decode(tmp_path / "a.png")


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(DliflowError, match=r"a\.png: not an image"):
        decode(tmp_path / "a.png")
    with pytest.raises(DliflowError, match=r"b\.png: no such image"):
        decode(tmp_path / "b.png")


def png_16(kind, *values):
    """A row of two pixels of 16 bits, which Pillow cannot write."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header, row = struct.pack(">IIBBBBB", 2, 1, 16, kind, 0, 0, 0), struct.pack(f">{len(values)}H", *values)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(
    ("content", "right"),
    [
        (png_16(2, 0, 3084, 32_896, 65_535, 65_535, 65_535), [[0, 12, 128], [255, 255, 255]]),
        (png_16(4, 32_896, 65_535, 3084, 0), [[128, 128, 128], [12, 12, 12]]),
        (png_16(6, 0, 3084, 32_896, 65_535, 65_535, 65_535, 65_535, 0), [[0, 12, 128], [255, 255, 255]]),
    ],
    ids=["colour", "gray with alpha", "colour with alpha"],
)
def test_16_bits_of_several_channels(tmp_path, content, right):
    (tmp_path / "a.png").write_bytes(content)
    assert np.asarray(decode(tmp_path / "a.png"))[0].tolist() == right


def test_transparency_is_dropped_whatever_bears_it(tmp_path):
    clear = Image.new("RGBA", (4, 4), (200, 100, 50, 0))
    clear.save(tmp_path / "a.png")
    Image.new("LA", (4, 4), (124, 7)).save(tmp_path / "b.png")
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    palette.save(tmp_path / "c.png", transparency=b"\xff\x00")
    palette.save(tmp_path / "d.gif", transparency=1)
    right = {"a.png": [200, 100, 50], "b.png": [124] * 3, "c.png": [200, 100, 50], "d.gif": [200, 100, 50]}
    for name, colour in right.items():
        assert (np.asarray(decode(tmp_path / name)) == colour).all(), name


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk(tmp_path, suffix):
    """Adobe's JPEG files hold the inverse of each ink, and say so in a segment; Pillow writes it as Adobe does."""
    Image.new("CMYK", (8, 8), (55, 155, 205, 0)).save(tmp_path / f"a.{suffix}")
    assert (suffix == "tif") or b"Adobe" in (tmp_path / "a.jpg").read_bytes()
    assert np.abs(np.asarray(decode(tmp_path / f"a.{suffix}"), int) - [200, 100, 50]).max() <= 1


def test_colours_that_are_no_rgb_are_told(tmp_path):
    Image.new("LAB", (4, 4)).save(tmp_path / "a.tif")
    with pytest.raises(DliflowError, match=r"a\.tif: its colours are CIELAB, which are not read; save it as RGB"):
        decode(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif", "mpo"])
def test_the_first_of_several_pictures(tmp_path, suffix):
    first, second = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second])
    with Image.open(tmp_path / f"a.{suffix}") as file:
        assert file.n_frames == 2
    assert np.abs(np.asarray(decode(tmp_path / f"a.{suffix}"), int) - [255, 0, 0]).max() <= 2


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "tif", "bmp", "jp2"])
def test_what_is_cut_off_or_empty_is_named(tmp_path, suffix):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DliflowError, match=rf"a\.{suffix}: (broken image|not an image)"):
        decode(path)
    path.write_bytes(b"")
    with pytest.raises(DliflowError, match=rf"a\.{suffix}: the file is empty"):
        decode(path)


def test_a_picture_of_too_many_pixels(tmp_path, monkeypatch):
    image(8, 4).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15)
    with pytest.raises(DliflowError, match=r"a\.png: broken image: DecompressionBombError: .*32 pixels"):
        decode(tmp_path / "a.png")


def bomb(width, height):
    """A PNG of one colour, which is a few hundred bytes whatever its size."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + -(-width // 8)) * height), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, (b"IHDR", b"IDAT", b"IEND"), (header, rows, b"")))


def test_an_image_of_few_bytes_and_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    (tmp_path / "a.png").write_bytes(bomb(20_000, 10_001))
    with pytest.raises(DliflowError, match=r"a\.png: broken image: DecompressionBombError: 20000 x 10001 pixels"):
        decode(tmp_path / "a.png")


@pytest.mark.parametrize("size", [(60_000, 1), (1, 60_000)])
def test_a_strip_of_few_bytes_takes_little_memory(tmp_path, size):
    """Seen: 4 to 6 GB for 254 bytes."""
    (tmp_path / "a.png").write_bytes(bomb(*size))
    with pytest.raises(Image.DecompressionBombError, match="pixels would become"):
        preprocess(decode(tmp_path / "a.png"), {**GEOMETRY, "resize": {"short_side": 256}})


@pytest.mark.parametrize("content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"SIMPLE  =  T"])
def test_formats_that_run_programs_or_are_no_photographs_are_not_opened(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content + bytes(3000))
    with pytest.raises(DliflowError, match=r"a\.png: not an image of the formats JPEG, "):
        decode(tmp_path / "a.png")


def test_every_suffix_is_one_of_a_format_that_is_opened():
    Image.init()
    formats = {Image.EXTENSION[suffix] for suffix in dataset.SUFFIXES if suffix in Image.EXTENSION}
    assert formats <= set(TAKEN)


def test_a_strip_that_a_resize_would_make_too_large():
    geometry = {**GEOMETRY, "resize": {"short_side": 256}}
    with pytest.raises(Image.DecompressionBombError, match="1 x 5000 pixels would become 256 x 1280000"):
        preprocess(image(1, 5000), geometry)
