"""Pictures from anywhere: brought to the form of MNIST's, read from any file, and named."""

import builtins
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from tinytrain import nn, streams
from tinytrain.cli import predict
from tinytrain.cli.main import main
from tinytrain.cli.mnist_form import mnist_form, places, resized, shares
from tinytrain.cli.pictures import in_grey, read
from tinytrain.recipes import RECIPES
from tinytrain.runs import run_folder
from tinytrain.store import idx, synthetic

LABELS = torch.arange(20) % 10
DIGITS = synthetic.digits(LABELS, streams.generator(3, "digits"))[:, 0]
digits = st.sampled_from(list(DIGITS.double()))
edges = st.tuples(*[st.integers(0, 40)] * 4)


@pytest.fixture(autouse=True)
def no_data(tmp_path, monkeypatch):
    """Neither data nor a mess where the tests are run."""
    monkeypatch.setenv("TINYTRAIN_DATA", str(tmp_path / "nowhere"))
    monkeypatch.chdir(tmp_path)


def away(one, other):
    """The mean difference of two images, the second moved by a pixel where that is better."""
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    moved = (torch.roll(other.double(), move, (0, 1)) for move in moves)
    return min(float((one.double() - image).abs().mean()) for image in moved)


def framed(image, edges, paper=0.0):
    return functional.pad(image, edges, value=paper)


@given(digits, edges)
def test_a_moved_digit_is_the_same(digit, edges):
    assert torch.equal(mnist_form(framed(digit, edges)), mnist_form(digit))


@given(digits, edges)
def test_an_inverted_digit_is_the_same(digit, edges):
    inverted = 255 - framed(digit, edges)
    assert torch.equal(mnist_form(inverted), mnist_form(digit))


@given(digits, st.booleans())
def test_a_digit_that_touches_the_border_is_the_same(digit, inverted):
    """Cut out as tightly as can be: most of the border is paper still."""
    rows, columns = (one.unique() for one in (digit > 0).nonzero().T)
    tight = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert torch.equal(mnist_form(255 - tight if inverted else tight), mnist_form(digit))


@given(digits, st.floats(0.2, 1), st.floats(0, 50), st.booleans())
def test_contrast_and_brightness_do_not_matter(digit, contrast, brightness, inverted):
    faint = digit * contrast + brightness
    found = mnist_form(255 - faint if inverted else faint)
    assert (found.int() - mnist_form(digit).int()).abs().max() <= 1


@given(digits, st.integers(2, 9), edges)
def test_a_larger_digit_is_nearly_the_same(digit, times, edges):
    larger = framed(digit.repeat_interleave(times, 0).repeat_interleave(times, 1), edges)
    assert away(mnist_form(larger), mnist_form(digit)) < 1.5


def spans(image, least):
    """How many rows, and how many columns, the pixels above `least` span."""
    return [int(one.max() - one.min()) + 1 for one in (image > least).nonzero().T]


@given(digits, st.integers(1, 5), st.integers(1, 5))
def test_proportions_stay(digit, down, across):
    stretched = digit.repeat_interleave(down, 0).repeat_interleave(across, 1)
    before, after = spans(stretched, 0.05 * digit.max()), spans(mnist_form(stretched), 10)
    wanted = [20 * side / max(before) for side in before]
    assert all(abs(one - other) <= 2.5 for one, other in zip(after, wanted, strict=True))


@given(digits)
def test_a_digit_in_the_form_stays_as_it_is(digit):
    once = mnist_form(digit)
    assert (mnist_form(once).double() - once.double()).abs().mean() < 0.2


@given(digits, edges, st.sampled_from([0.6, 1.0, 2.5, 7.0]))
def test_what_the_form_is(digit, edges, times):
    height = round(28 * times)
    image = functional.interpolate(digit[None, None], (height, height), mode="area")[0, 0]
    found = mnist_form(255 - framed(image, edges))
    assert found.shape == (28, 28) and found.dtype == torch.uint8 and found.max() == 255
    assert 20 <= max(spans(found, 0)) <= 22
    mass, place = found.double() / found.double().sum(), torch.arange(28.0).double()
    for centre in ((mass.sum(1) * place).sum(), (mass.sum(0) * place).sum()):
        assert abs(float(centre) - 14) < 0.6


# The two of these digits that are most alike, and not the same, are 28 apart.
@given(digits, st.integers(0, 2**31))
def test_noise_and_specks_do_not_matter(digit, seed):
    draw = torch.Generator().manual_seed(seed)
    clean = framed(digit.repeat_interleave(5, 0).repeat_interleave(5, 1), (30, 30, 30, 30))
    noisy = 200 - 0.7 * clean + 4 * torch.randn(clean.shape, generator=draw)
    noisy[3, 5] = 30.0
    assert away(mnist_form(noisy), mnist_form(clean)) < 14


@given(digits)
def test_light_from_one_side_does_not_matter_much(digit):
    clean = framed(digit.repeat_interleave(5, 0).repeat_interleave(5, 1), (20, 20, 20, 20))
    light = torch.linspace(150, 230, clean.shape[1])
    assert away(mnist_form(light * (1 - clean / 300)), mnist_form(clean)) < 22


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (28, 28)])
def test_without_ink_there_is_no_digit(shape):
    with pytest.raises(ValueError, match="alike"):
        mnist_form(torch.full(shape, 7.0))


@pytest.mark.parametrize("shape", [(2, 1), (1, 2), (2, 2), (3, 1), (5, 3)])
def test_a_few_pixels_are_no_error(shape):
    image = torch.zeros(shape)
    image[0, 0] = 1.0
    assert mnist_form(image).shape == (28, 28)


@given(st.integers(1, 40), st.floats(0.1, 9))
def test_every_pixel_within_is_shared_out_whole(size, step):
    """A digit of one brightness keeps it, wherever its pixels come to lie."""
    centres = places(torch.ones(size, dtype=torch.float64), step)
    within = (centres - max(step, 1) / 2 > -0.5) & (centres + max(step, 1) / 2 < size - 0.5)
    sums = shares(centres, step, size).sum(1)
    assert torch.allclose(sums[within], torch.ones_like(sums[within]))
    assert (sums <= 1 + 1e-9).all()


images = st.builds(
    lambda channels, height, width, seed: torch.randint(
        0, 256, (channels, height, width), generator=torch.Generator().manual_seed(seed)
    ).double(),
    *(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.integers(0, 999)),
)


@given(images)
def test_resized_to_its_own_size_nothing_changes(image):
    assert torch.equal(resized(image, image.shape[1:]), image.to(torch.uint8))


def nearly(found, expected):
    """Equal, but for the rounding of a half."""
    assert ((found - expected[0]).abs() <= 0.5 + 1e-9).all()


@given(images, st.integers(1, 5), st.integers(1, 5))
def test_made_smaller_is_the_mean_and_larger_is_linear(image, down, across):
    larger = image.repeat_interleave(down, 1).repeat_interleave(across, 2) + 0.25
    small = functional.avg_pool2d(larger[None], (down, across))
    nearly(resized(larger, image.shape[1:]).double(), small)
    size = image.shape[1] * down, image.shape[2] * across
    linear = functional.interpolate(image[None], size, mode="bilinear", align_corners=False)
    nearly(resized(image, size).double(), linear)


def picture(mode="L", name="digit.png", number=7, **more):
    """A digit as a file in one of Pillow's modes: dark on light, 140 × 140."""
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    grey = 255 - DIGITS[number].repeat_interleave(5, 0).repeat_interleave(5, 1).numpy()
    if mode == "I;16":
        image.fromarray(grey.astype(np.uint16) * 257).save(name)
    elif mode == "RGBA":
        ink = np.zeros((140, 140, 4), np.uint8)
        ink[..., 3] = 255 - grey
        image.fromarray(ink).save(name)
    else:
        image.fromarray(grey).convert(mode).save(name, **more)
    return name


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        *(("L", name) for name in ("a.png", "a.jpg", "a.gif", "a.bmp")),
        *((mode, "a.png") for mode in ("1", "P", "RGB", "RGBA", "LA", "I;16")),
        *((mode, "a.jpg") for mode in ("RGB", "CMYK")),
    ],
)
def test_the_same_digit_in_any_file(mode, name, tmp_path):
    _, found = read(tmp_path / picture(mode, name), None)
    assert found.shape == (3, 140, 140) and found.dtype == torch.float64
    expected = 255 - DIGITS[7].double().repeat_interleave(5, 0).repeat_interleave(5, 1)
    limit = 40 if mode == "1" else 3 if name == "a.jpg" else 1e-9
    assert (found - expected).abs().mean() < limit


def test_a_large_photograph_is_averaged(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    image.open(picture()).resize((2240, 3080), image.Resampling.NEAREST).save("a.png")
    _, found = read(tmp_path / "a.png", None)
    assert found.shape[1:] == (1027, 747)
    small = image.open("digit.png").resize((747, 1027), image.Resampling.BOX)
    assert (found[0] - torch.from_numpy(np.array(small))).abs().mean() < 3


def test_white_is_white_in_grey():
    assert torch.allclose(in_grey(torch.full((3, 2, 2), 255.0)), torch.tensor(255.0).double())


def test_light_ink_on_nothing_stands_on_black(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    ink = np.full((28, 28, 4), 255, np.uint8)
    ink[..., 3] = DIGITS[7].numpy()
    image.fromarray(ink).save("a.png")
    _, found = read(tmp_path / "a.png", None)
    assert torch.equal(found[0], DIGITS[7].double())


def test_a_note_to_turn_is_followed(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    lying = image.open(picture()).transpose(image.Transpose.ROTATE_90)
    note = image.Exif()
    note[0x0112] = 6  # turn by a quarter, clockwise
    lying.save("a.png", exif=note)
    assert torch.equal(read(tmp_path / "a.png", None)[1], read(tmp_path / "digit.png", None)[1])


def test_the_final_net_names_digits_without_data(capsys):
    right = 0
    for number in range(20):
        assert main(["predict", picture(number=number)]) == 0
        lines = capsys.readouterr().out.splitlines()
        right += lines[0].startswith(f"digit.png: {LABELS[number]} (")
        said = sorted(float(line.split("%")[-2].split()[-1]) for line in lines[1:11])
        assert abs(sum(said) - 100) < 0.1
    assert right >= 16


def test_what_is_shown_is_what_the_net_sees():
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    image[0, 4:8, 10:20] = 255
    lines = predict.rendered(image)
    assert [len(line) for line in lines] == [28] * 14
    assert [line.strip() for line in lines if line.strip()] == ["@" * 10] * 2
    assert lines.index(" " * 10 + "@" * 10 + " " * 8) == 2


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 8, 8), (8, 16)),
        ((3, 40, 24), (20, 24)),
        ((1, 300, 200), (24, 32)),
        ((1, 1, 64), (1, 32)),
    ],
)
def test_any_size_is_shown_small(shape, size):
    lines = predict.rendered(torch.full(shape, 255, dtype=torch.uint8))
    assert (len(lines), {*map(len, lines)}) == (size[0], {size[1]})
    assert {*"".join(lines)} == {"@"}


def test_the_most_probable_classes_come_first():
    assert predict.classes(torch.tensor([0.25, 0.0, 0.75]), ["0", "1", "2"]) == [
        "  2   75.00 %  ###############",
        "  0   25.00 %  #####",
        "  1    0.00 %",
    ]
    many = predict.classes(torch.ones(47) / 47, [*map(str, range(47))])
    assert len(many) == 11 and "37 classes" in many[-1]


def images_file(name, array):
    idx.write(name, array)
    return name


def test_images_of_idx_files(capsys, tmp_path):
    name = images_file("some.gz", DIGITS.numpy())
    assert main(["predict", name, "--index", "3"]) == 0
    assert capsys.readouterr().out.startswith("some.gz[3]: 3 (")
    one = images_file("one", (255 - DIGITS[4]).numpy())
    assert main(["predict", one, picture(), "--index", "0"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("one[0]: 4 (") and "\ndigit.png: 7 (" in shown
    colour = images_file("colour", DIGITS[:, None].expand(-1, 3, -1, -1).numpy())
    assert main(["predict", colour, "--index", "19"]) == 0
    assert capsys.readouterr().out.startswith("colour[19]: 9 (")


def test_a_picture_of_it(capsys):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    assert main(["predict", picture(), "--output", "new/seen.png"]) == 0
    assert "Drawn into new/seen.png" in capsys.readouterr().out
    with open("new/seen.png", "rb") as file:
        assert file.read(4) == b"\x89PNG"


def own_run(monkeypatch, shape, dataset="own", recipe=RECIPES["net7"]):
    """A run on images of that shape, whose net answers with the means of their quarters."""
    net = nn.Sequential(nn.Flatten(), nn.LogSoftmax())
    settings = run_folder.Settings(
        recipe, dataset, "", 0.5, 0.5, 0, 1, "cpu", 1, image_shape=shape
    )
    monkeypatch.setattr("tinytrain.cli.resolve.trained", lambda run_dir: (settings, net))
    return ["--run-dir", "run"]


def test_other_data_get_images_of_their_size(monkeypatch, capsys):
    words = own_run(monkeypatch, (3, 1, 2))
    array = np.zeros((2, 3, 2, 4), np.uint8)
    array[1, 2, :, 2:] = 255  # the last channel, on the right: the last of six values
    assert main(["predict", images_file("some", array), "--index=1", *words]) == 0
    assert capsys.readouterr().out.startswith("some[1]: 5 (")
    os.mkdir("own")
    Path("own", "classes.txt").write_text("ant\nbee\ncat\ndog\nelk\nfox\n")
    grey = images_file("grey", np.array([[[0, 255]]], np.uint8))
    assert main(["predict", grey, *words]) == 0
    assert capsys.readouterr().out.startswith("grey[0]: 1 bee (")


@pytest.mark.parametrize(
    ("shape", "dataset", "formed"),
    [
        ((1, 28, 28), "own", True),
        ((1, 28, 28), "mnist", True),
        ((1, 28, 28), "fashion-mnist", False),
        ((1, 32, 32), "own", False),
        ((3, 28, 28), "own", False),
    ],
)
def test_only_digits_like_mnist_are_formed(monkeypatch, shape, dataset, formed):
    own_run(monkeypatch, shape, dataset)
    predictor = predict.of_run(type("Options", (), {"run_dir": "run"}))
    image = torch.zeros(shape[0], 60, 60).double()
    image[:, :10, :5] = 255
    expected = mnist_form(image[0])[None] if formed else resized(image, shape[1:])
    assert torch.equal(predictor.prepared("a", image), expected)


def test_an_upright_net_is_shown_upright_digits(monkeypatch):
    own_run(monkeypatch, (1, 28, 28), recipe=RECIPES["upright"])
    predictor = predict.of_run(type("Options", (), {"run_dir": "run"}))
    assert predictor.upright and predictor.looks == 1
    slanted, seen = DIGITS[:3, None], []
    monkeypatch.setattr(
        "tinytrain.train.evaluation.predict",
        lambda net, images, *more, **rest: seen.append(images) or images,
    )
    replace(predictor, upright=False).probabilities(slanted)
    predictor.probabilities(slanted)
    assert torch.equal(seen[0], slanted) and not torch.equal(seen[1], slanted)


MISTAKES = {
    "no file": (["nothing.png"], 3, "nothing.png: cannot be read"),
    "a folder": (["."], 3, ".: cannot be read"),
    "no picture": (["text"], 3, "text: expected a PNG, JPEG or IDX file"),
    "nothing in it": (["empty"], 3, "empty: expected a PNG"),
    "half a picture": (["half.png"], 3, "half.png: expected a PNG"),
    "no ink": (["blank.png"], 3, "blank.png: expected a digit, found 9×8 pixels: all pixels"),
    "numbers with a point": (["float.tiff"], 3, "mode F"),
    "too large": (["large.png"], 3, "pixels are too many"),
    "far too large": (["huge.png"], 3, "huge.png: expected a PNG"),
    "labels": (["labels"], 3, "labels: expected images, uint8 (N, H, W)"),
    "other numbers": (["int16"], 3, "int16 (2, 3, 3)"),
    "half a file": (["half"], 3, "half: expected"),
    "no images": (["none"], 3, "none: expected images"),
    "two channels": (["two"], 3, "two[0]: expected 1 channels, as the net's data have, found 2"),
    "which of many": (["images"], 2, "images: holds 20 images; choose one with --index"),
    "an index too high": (["images", "--index=20"], 2, "--index 20: images has images 0 to 19"),
    "an index below": (["images", "--index=-1"], 2, "--index"),
    "an index for a picture": (["digit.png", "--index=0"], 2, "--index: is for IDX files"),
    "the second is wrong": (["digit.png", "text"], 3, "text: expected a PNG"),
    "no run": (["digit.png", "--run-dir=nowhere"], 3, "nowhere"),
    "nothing at all": ([], 2, "IMAGE"),
    "a kind that is none": (["digit.png", "--output=a.nothing"], 2, "a.nothing"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(mistake, capsys, tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    whole = (tmp_path / picture()).read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text").write_text("a word")
    (tmp_path / "empty").touch()
    image.new("L", (8, 9), 200).save("blank.png")
    image.new("F", (8, 9)).save("float.tiff")
    image.new("1", (1200, 1200)).save("large.png")
    image.new("1", (2000, 2000)).save("huge.png")
    monkeypatch.setattr(image, "MAX_IMAGE_PIXELS", 10**6)
    for name, array in {
        "images": DIGITS.numpy(),
        "labels": LABELS.numpy().astype(np.uint8),
        "int16": np.zeros((2, 3, 3), np.int16),
        "none": np.zeros((0, 28, 28), np.uint8),
        "two": np.zeros((1, 2, 28, 28), np.uint8),
    }.items():
        images_file(name, array)
    (tmp_path / "half").write_bytes((tmp_path / "images").read_bytes()[:-1])
    words, status, said = MISTAKES[mistake]
    if "--output=a.nothing" in words:
        pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    assert main(["predict", *words]) == status
    error = capsys.readouterr().err
    assert error.startswith("tinytrain: ") and error.count("\n") == 1 and said in error


def test_without_pillow_there_is_a_way_out(capsys, monkeypatch):
    name, real = picture(), builtins.__import__

    def without(module, *more):
        if module == "PIL":
            raise ImportError(module)
        return real(module, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["predict", name]) == 2
    error = capsys.readouterr().err
    assert "pip install '.[images]'" in error and error.count("\n") == 1
    assert main(["predict", images_file("some", DIGITS.numpy()), "--index=1"]) == 0
