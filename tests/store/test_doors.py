"""Drawn tables, arrays and pictures are read as they were drawn, or refused in one line."""

import io
import zipfile
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain import data
from tinytrain.errors import DataError, TinytrainError
from tinytrain.store import named_arrays, picture_folder, tables
from tinytrain.store.labelled import as_arrays
from tinytrain.store.pictures import exact_pixels
from tinytrain.store.tables import Layout

KINDS = ("table", "arrays", "pictures")
ODD_CELLS = ["", "x", "7.5", "-1", "256", "nan", "1e9", "7 7", '"', "0x7", "9" * 400]
DTYPES = ["u1", ">i2", "i8", "f4", ">f8", "?", "u8", "c8", "U3"]


def taken(read, size=None, transpose=False):
    """The images (N, C, H, W) and labels of the one split that `read` finds; None if refused."""
    try:
        [split] = read().splits.values()
        found = as_arrays(split, size, transpose)
        made = data.from_arrays(found.images, found.labels, found.images, found.labels)
        return made.train.images.numpy(), made.train.labels.tolist()
    except TinytrainError as error:
        assert str(error).isprintable() and len(str(error)) < 500, error
        return None


def drawn_set(draw, *shape):
    """Images (N, …) that are not all alike, and labels with every class from 0 or 1 up."""
    count = draw(st.integers(2, 12))
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    classes, start = draw(st.integers(2, count)), draw(st.integers(0, 1))
    labels = chance.permutation(np.arange(count) % classes + start)
    high = draw(st.sampled_from([1, 3, 255]))
    images = chance.integers(0, high, (count, *shape), endpoint=True)
    images.flat[0], images.flat[-1] = 0, 1
    return images, labels


def table(draw, folder):
    """A CSV file as one of many programs writes it, at times with an odd cell."""
    side = draw(st.integers(1, 4))
    images, labels = drawn_set(draw, side * side)
    names = draw(st.sampled_from([None, "words", "numbers", "counts"]))
    last, indexed = draw(st.booleans()), draw(st.booleans())
    pixels = [*range(side * side)]
    header = {"words": [f"pixel{i}" for i in pixels], "numbers": pixels}.get(names, pixels)
    columns = [*images.T]
    place = len(columns) if last else 0
    columns.insert(place, labels)
    header = [*header[:place], "label", *header[place:]]
    if indexed:
        start = draw(st.sampled_from([0, 1, 250]))
        columns, header = [np.arange(len(labels)) + start, *columns], ["", *header]
    if names == "counts":
        header = [*range(len(columns))]
    rows = [[*map(str, row)] for row in zip(*(column.tolist() for column in columns), strict=True)]
    odd = draw(st.integers(0, 3)) == 0
    if odd:
        row = rows[draw(st.integers(0, len(rows) - 1))]
        row[draw(st.integers(0, len(row) - 1))] = draw(st.sampled_from(ODD_CELLS))
    lines = [[*map(str, header)], *rows] if names else rows
    form = draw(st.sampled_from(["{}", '"{}"', " {}"]))
    if draw(st.booleans()) and not odd:
        lines = [lines[0], *([f"{cell}.0" for cell in line] for line in lines[1:])]
    delimiter, end = draw(st.sampled_from(",;\t")), draw(st.sampled_from(["\n", "\r\n", "\n\n"]))
    text = end.join(delimiter.join(map(form.format, line)) for line in lines)
    text = draw(st.sampled_from(["", "\ufeff"])) + text
    path = folder / "it.csv"
    path.write_text(text, newline="")
    found = taken(lambda: tables.read_tables([path]))
    assert found is None or not odd or indexed  # nobody reads the index
    counting = any((np.diff(column) == 1).all() for column in images.T)
    assert found is not None or odd or counting or names != "words"
    return found, images.reshape(-1, 1, side, side), labels


def arrays(draw, folder):
    """An .npz or two .npy files of any type and form, at times with damaged bytes."""
    shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    images, labels = drawn_set(draw, *shape)
    kinds = draw(st.sampled_from(DTYPES)), draw(st.sampled_from(DTYPES))
    broken = draw(st.sampled_from([None, None, 0.5, 256, -1, np.nan]))
    form, labels_form = images.astype(kinds[0]), labels.astype(kinds[1])
    exact = [
        np.dtype(kind).kind in "uif" and (array.astype(kind) == array).all()
        for kind, array in zip(kinds, (images, labels), strict=True)
    ]
    if broken is not None and np.dtype(kinds[1]).kind == "f":
        labels_form[-1] = broken
        exact[1] = False
    if draw(st.booleans()):
        form = np.asfortranarray(form)
    if draw(st.booleans()):
        labels_form = labels_form[:, None]
    content = io.BytesIO()
    np.savez(content, x=form, y=labels_form)
    damage = draw(st.integers(0, 3)) == 0
    content = bytearray(content.getvalue())
    if damage:
        place = draw(st.integers(0, len(content) - 1))
        content[place] ^= draw(st.integers(1, 255))
        del content[draw(st.one_of(st.just(len(content)), st.integers(0, len(content)))) :]
    path = folder / "it.npz"
    path.write_bytes(content)
    found = taken(lambda: named_arrays.read_npz(path))
    assert found is None or all(exact)
    assert found is not None or damage or not all(exact) or images.ndim != 3
    if images.ndim == 2:
        side = int(images.shape[1] ** 0.5)
        images = images.reshape(-1, side, side) if side * side == images.shape[1] else None
    if images is not None and images.ndim == 3:
        images = images[:, None]
    elif images is not None and images.ndim == 4 and images.shape[1] > 4 >= images.shape[3]:
        images = np.moveaxis(images, 3, 1) if images.shape[3] in (1, 3) else None
    return found, images, labels


def pictures(draw, folder):
    """A folder of PNGs of any mode; `--flatten` is given or not."""
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    side = draw(st.integers(1, 5))
    images, labels = drawn_set(draw, side, side)
    mode = draw(st.sampled_from(["L", "RGB", "LA", "RGBA", "P", "1", "I;16"]))
    flatten = draw(st.sampled_from([None, "black", "#fff"]))
    clear, frames = draw(st.booleans()), draw(st.sampled_from([1, 1, 1, 2]))
    ground = {"black": 0, "#fff": 255}.get(flatten)
    expected = images.astype(np.uint8)[:, None].repeat(3 if mode in ("RGB", "RGBA") else 1, 1)
    chance = np.random.default_rng(side)
    alpha = chance.integers(0, 256, (len(images), side, side), np.uint8)
    see_through = "A" in mode or (clear and mode in ("L", "RGB"))
    for number, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        part = folder / f"{label:02}"
        part.mkdir(exist_ok=True)
        grey = image.fromarray(pixels.astype(np.uint8))
        picture = grey.convert(mode.removesuffix("A") if mode != "I;16" else "I;16")
        if "A" in mode:
            picture.putalpha(image.fromarray(alpha[number]))
        more = {"save_all": True, "append_images": [grey.rotate(90)]} if frames == 2 else {}
        if clear and mode in ("L", "RGB"):
            more["transparency"] = 0 if mode == "L" else (0, 0, 0)
        picture.save(part / f"{number:03}.png", **more)
        if see_through and ground is not None:
            opacity = alpha[number].astype(int) if "A" in mode else 255 * (pixels != 0)
            expected[number] = (pixels * opacity + ground * (255 - opacity)) / 255 + 0.5
    found = taken(
        lambda: picture_folder.read_folder(folder, partial(exact_pixels, flatten=flatten))
    )
    lost = see_through and ground is None
    refused = lost or frames == 2 or mode in ("P", "1", "I;16") or len(np.unique(expected)) == 1
    assert (found is None) == refused
    order = np.argsort(labels, kind="stable")
    return found, expected[order], np.unique(labels, return_inverse=True)[1][order]


def through_a_door(kind, draw, folder):
    """Draw a set, read it: it is as drawn, or refused."""
    found, images, labels = globals()[kind](draw, folder)
    if found is not None:
        assert images is not None
        assert found[1] == labels.tolist()
        assert found[0].tolist() == images.tolist()


def counted(start, *rows):
    """The rows with a number in front that rises by 1."""
    return [f"{start + i},{row}" for i, row in enumerate(rows)]


ROWS = "1,7,8,9,9", "0,7,8,9,6", "1,5,8,9,7"
LAST = "7,8,9,9,1", "7,8,9,6,0", "5,8,9,7,1"
COUNT = "0,1,2,3,4"
# The lines, the flags, and the words of the refusal, or nothing where it is read.
TABLES = {
    "label first": (ROWS, Layout(), ""),
    "semicolons": ([row.replace(",", ";") for row in ROWS], Layout(), ""),
    "tabs": ([row.replace(",", "\t") for row in ROWS], Layout(), ""),
    "whole numbers as floats": ([row.replace(",", ".0,") for row in ROWS], Layout(), ""),
    "Kaggle": (["label,pixel0,pixel1,pixel2,pixel3", *ROWS], Layout(), ""),
    "a label by name, last": (["a,b,c,d,Target", *LAST], Layout(), ""),
    "pandas' index": ([",label,a,b,c,d", *counted(0, *ROWS)], Layout(), ""),
    "pandas' index and numbers": ([",0,1,2,3,4", *counted(0, *ROWS)], Layout(), ""),
    "an index by name": (["id,label,a,b,c,d", *counted(5, *ROWS)], Layout(), ""),
    "an index without a name": (counted(0, *ROWS), Layout(), "column 0: .*rises by 1.*--drop-c"),
    "an index above 255": (counted(300, *ROWS), Layout(), "line 1, column 0: .*--drop-columns 0"),
    "a pixel that counts": (["5" + row[1:] for row in ROWS], Layout(), "different numbers"),
    "a numeric header": ([COUNT, *ROWS], Layout(), "first line.*: .*--header yes .*, found 0, 1"),
    "that is one": ([COUNT, *ROWS], Layout(header=True), ""),
    "an image that counts": ([COUNT, *ROWS], Layout(header=False), ""),
    "label last": (LAST, Layout(), "different numbers .*--label-column -1"),
    "label last, said": (LAST, Layout(label="-1"), ""),
    "a header that is none": (["a,b,c,d,e", *ROWS], Layout(header=False), "line 1, column 0: .*a"),
    "a header without a label": (["a,b,c,d,e", *ROWS], Layout(), "--label-column"),
    "its label, said": (["a,b,c,d,e", *ROWS], Layout(label="a"), ""),
    "two labels": (["label,class,c,d,e", *ROWS], Layout(), "first line .*label, class"),
    "a long header": ([f"{'x' * 9000},b,c,d,e", *ROWS], Layout(), "x…$"),
    "all columns left out": (ROWS, Layout(drop=[*"01234"]), "a label and pixels in a line"),
    "columns left out": (counted(0, *ROWS), Layout(drop=["0"]), ""),
    "no such column": (ROWS, Layout(drop=["5"]), "--drop-columns 5: .*columns 0 to 4"),
    "no such label": (["label,a,b,c,d", *ROWS], Layout(label="x"), "--label-column x: .*label, a"),
    "a label called id": (["id,a,b,c,d", *ROWS], Layout(label="id"), ""),
    "two columns of a name": (["a,a,c,d,e", *ROWS], Layout(label="a"), "--label-column a: .*a, a"),
    "numbers up to 202": (counted(200, *ROWS), Layout(), "column 0: .*--drop-columns 0"),
    "classes from 5": ([f"{5 + int(row[0])}{row[1:]}" for row in ROWS], Layout(), "2 different"),
    "two columns of classes": ([f"{row[:-1]}{row[0]}" for row in ROWS], Layout(), "2 different"),
    "the label left out": (ROWS, Layout(label="0", drop=["0"]), "--drop-columns: "),
    "no square": ([row[:-2] for row in ROWS], Layout(label="0"), "1 × 1 pixels .* found 3"),
    "an index to keep": (counted(0, *ROWS), Layout(label="1", drop=[]), "2 × 2 pixels"),
}


@pytest.mark.parametrize("how", TABLES)
def test_what_the_columns_of_a_table_are(how, tmp_path):
    lines, layout, refusal = TABLES[how]
    path = tmp_path / "it.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(TinytrainError, match=refusal) if refusal else nullcontext():
        found = tables.read_tables([path], layout)
        [split] = found.splits.values()
        images, labels = as_arrays(split, None, False).images, split.labels
        assert images[-3:].tolist() == [[[7, 8], [9, 9]], [[7, 8], [9, 6]], [[5, 8], [9, 7]]]
        assert labels[-3:].tolist() == [1, 0, 1]
        assert len(labels) == 3 + (layout.header is False)
        assert bool(found.left_out) == ("index" in how or how == "columns left out")


# What a file holds, and what the refusal names.
NO_TABLES = [
    ("9,2,3,4,5\n1,2,3", ", line 2: expected 5 .* found 3"),
    ("label,pixel0", ": expected lines of a label and pixels, found none"),
    ("label,a,b\n1,2", ", line 2: expected 3 numbers, found 2"),
    *((f"9,2,3,4,5\n\n1,2,{cell},4,5", f", line 3, column 2: .*'{cell}'") for cell in ("x y", "")),
    *((f"1,2,3,4,{cell}", f", line 1, column 4: .*'{cell}'") for cell in ("256", "-1", "5.5")),
    ("1 2 3 4 5", ", first line of 1 columns"),
    ("1\n2", ", first line: .* found 1"),
    (b"1,9\xff", ": .*utf-8"),
    (b"1,9\n" + bytes(9), ", line 2: .*found "),
]


@pytest.mark.parametrize(("content", "said"), NO_TABLES, ids=str)
def test_tables_that_cannot_be_read_are_named(content, said, tmp_path):
    (tmp_path / "it.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=f"it.csv{said}"):
        tables.read_tables([tmp_path / "it.csv"])


@pytest.mark.parametrize("last", [False, True])
def test_noise_is_not_taken_for_labels(last, tmp_path):
    rows = [(i % 3, 7, i % 256) if last else (i % 256, 7, i % 3) for i in range(0, 5 * 300, 5)]
    path = tmp_path / "it.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    if last:
        [split] = tables.read_tables([path]).splits.values()
        assert split.labels.tolist() == [row[0] for row in rows]
    else:
        with pytest.raises(DataError, match="256 different numbers in the first column, 3 in"):
            tables.read_tables([path])


def test_labels_may_count(tmp_path):
    (tmp_path / "it.csv").write_text("label,a,b\n0,7,7\n1,7,9\n2,7,8")
    [split] = tables.read_tables([tmp_path / "it.csv"]).splits.values()
    assert split.labels.tolist() == [0, 1, 2]


def npy(array):
    """An array as the bytes of an .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


X, Y = npy(np.zeros((3, 2, 2), np.uint8)), npy(np.arange(3))
ENDLESS = b"\x93NUMPY\1\0\xff\xff" + b"{" * 65535
SIZE, LARGE = len(X).to_bytes(4, "little"), (1 << 31).to_bytes(4, "little")
# The arrays x, y and x again, bytes that are changed, and the words of the refusal.
HIDDEN = [
    (X + b"!", Y, None, b"", b"", "x: expected the end of the file"),
    (X, Y, X, b"", b"", "a name for each array"),
    (ENDLESS, Y, None, b"", b"", "x: expected a whole array"),
    (X, Y, None, SIZE, LARGE, "x: expected at most 1073741824 bytes"),
]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("x", "y", "again", "old", "new", "said"), HIDDEN, ids=lambda case: str(case)[:20]
)
def test_arrays_that_hide_something(x, y, again, old, new, said, tmp_path):
    path = tmp_path / "it.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in ("x", x), ("y", y), ("x", again):
            if content is not None:
                archive.writestr(f"{name}.npy", content)
    path.write_bytes(path.read_bytes().replace(old, new) if old else path.read_bytes())
    with pytest.raises(DataError, match=said) as error:
        named_arrays.read_npz(path)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@settings(max_examples=40)
def test_as_drawn_or_refused(kind, tmp_path_factory, drawn):
    through_a_door(kind, drawn.draw, tmp_path_factory.mktemp(kind))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@settings(max_examples=10_000, derandomize=False)
def test_ten_thousand_are_as_drawn_or_refused(kind, tmp_path_factory, drawn):
    through_a_door(kind, drawn.draw, tmp_path_factory.mktemp(kind))
