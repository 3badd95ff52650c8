"""Damaged input of any kind gives a valid value or a TinytrainError of one line.

Every case is made of a good example by chance, and named by its kind and number: `fuzz(world,
"idx", [17])` is the same case for ever. Some damage bytes blindly; others keep the form and put in
values that nobody expects, which gets much further in. `pytest -m long` tries thousands of each.
"""

import contextlib
import gzip
import io
import json
import math
import random
import resource
import signal
import sys
import types
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tinytrain.cli import recipe_files
from tinytrain.cli import runs as listing
from tinytrain.cli.main import parse
from tinytrain.cli.resolve import choose_device, chosen_recipe
from tinytrain.errors import TinytrainError
from tinytrain.recipes import RECIPES, build
from tinytrain.results import records, run_list
from tinytrain.runs import run_folder
from tinytrain.store import idx
from tinytrain.train import loop

SETTINGS = run_folder.Settings(
    replace(RECIPES["net1"], epochs=2, ema=0.9), "synthetic", "d", 0.13, 0.31, 0, 1, "cpu", 1
)
NUMBERS = [0, 1, -1, 2, 255, 2**31, 2**63, -(2**63), 10**400, 0.5, -0.5, 1e308, 5e-324]
NUMBERS += [math.nan, math.inf, -math.inf]
TEXTS = ["", "x", "a\nb", "\0", "\ud800", "é", "x" * 5000, "net.py:f", "1/2", "9/0", "cuda:9"]
ODD = [*NUMBERS, *TEXTS, None, True, False, [], {}, [[]], [1, 28, 28], {"x": 1}, [[[[[]]]]]]
MIB = 1 << 20


@pytest.fixture(scope="module")
def world(tiny, tmp_path_factory):
    """A folder to write cases into, and a good example of everything."""
    folder = tmp_path_factory.mktemp("fuzz")
    training = build.start(SETTINGS.recipe, 1)
    run_folder.create(folder / "run", SETTINGS, training, "python -m tinytrain train")
    for _ in loop.fit(training, tiny):
        run_folder.save(folder / "run", SETTINGS, training)
    (folder / "again").mkdir()
    examples = {path.name: path.read_bytes() for path in (folder / "run").iterdir()}
    return types.SimpleNamespace(folder=folder, run=folder / "run", examples=examples)


DAMAGES = [
    lambda piece, chance: bytes(byte ^ 1 << chance.randrange(8) for byte in piece),
    lambda piece, chance: chance.randbytes(len(piece)),
    lambda piece, chance: chance.choice([b"\0", b"\xff", b"\x7f", b"\x80"]) * len(piece),
    lambda piece, chance: b"",
    lambda piece, chance: piece * chance.choice([2, 100]),
    lambda piece, chance: chance.choice([b"\n", b'"', b"{", b"-", b"9" * 30, b"NaN", b"null"]),
]


def damaged(content, chance):
    """The bytes with one to four of them, or of their pieces, changed."""
    content = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(content) + 1)
        end = min(start + chance.choice([1, 1, 1, 4, 64]), len(content))
        content[start:end] = chance.choice(DAMAGES)(content[start:end], chance)
        if chance.random() < 0.05:
            del content[start:]
    return bytes(content)


def altered(value, chance, odd=ODD):
    """A copy of nested dicts and lists in which one to three places hold something odd."""
    for _ in range(chance.randint(1, 3)):
        value = altered_once(value, chance, odd)
    return value


def altered_once(value, chance, odd):
    """A copy in which one place holds something odd, or near, or a name is gone or new."""
    if type(value) in (int, float) and chance.random() < 0.3:
        return value + type(value)(chance.choice([0, 1]))
    if not isinstance(value, dict | list) or not value or chance.random() < 0.1:
        return chance.choice(odd)
    copy = value.copy()
    place = chance.choice([*copy] if isinstance(copy, dict) else range(len(copy)))
    if chance.random() < 0.1:
        del copy[place]
    elif isinstance(copy, dict) and chance.random() < 0.05:
        copy[chance.choice(TEXTS)] = chance.choice(odd)
    else:
        copy[place] = altered_once(copy[place], chance, odd)
    return copy


def text_of(value, chance):
    """JSON of an altered value, or damaged JSON."""
    if chance.random() < 0.3:
        return damaged(json.dumps(value).encode(), chance)
    return json.dumps(altered(value, chance)).encode()


def of_idx(world, chance):
    kind = chance.choice([*idx.CODES])
    shape = [chance.randrange(5) for _ in range(chance.randrange(4))]
    content = damaged(idx.plain(np.ones(shape, kind)), chance)
    if chance.random() < 0.5:
        content = gzip.compress(content)
        content = damaged(content, chance) if chance.random() < 0.5 else content
    (world.folder / "file").write_bytes(content)
    array = idx.read(world.folder / "file")
    assert array.nbytes < MIB and array.dtype.name in idx.CODES


def tensors(chance):
    """Tensors, and what looks like them."""
    shape = chance.choice([(), (1,), (10,), (128, 784), (0,), (2, 3)])
    zeros = torch.zeros(shape, dtype=chance.choice([torch.float32, torch.int64, torch.bool]))
    own = torch.zeros(shape)
    own.isfinite = own.clone = None
    nan, meta = torch.full(shape, math.nan), torch.zeros(shape, device="meta")
    wide = torch.zeros(1).expand(10**6, 10**6)
    return [zeros, own, nan, meta, zeros.to_sparse(), wide, torch.nn.Parameter(nan)]


def of_checkpoint(world, chance):
    content = world.examples["checkpoint.pt"]
    path = world.run / "checkpoint.pt"
    way = chance.randrange(3)
    if way == 0:
        state = torch.load(io.BytesIO(content), weights_only=True)
        odd = ODD + tensors(chance)
        if chance.random() < 0.1:
            state = altered(state, chance, odd)
        else:
            state["state"] = altered(state["state"], chance, odd)
        torch.save(state, path)
    elif way == 1:
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                entry = old.read(name)
                new.writestr(name, damaged(entry, chance) if name.endswith(".pkl") else entry)
    else:
        path.write_bytes(damaged(content, chance))
    training = build.start(SETTINGS.recipe, 1)
    run_folder.restore(world.run, SETTINGS, training)
    assert all(tensor.isfinite().all() for tensor in training.net.state_dict().values())
    run_folder.save(world.folder / "again", SETTINGS, training)


def of_run(world, chance):
    good = json.loads(world.examples["run.json"])
    (world.run / "run.json").write_bytes(text_of(good, chance))
    look_at(world.run)
    choose_device(run_folder.read_settings(world.run).device)


def of_history(world, chance):
    lines = world.examples["history.jsonl"].splitlines()
    (world.run / "history.jsonl").write_bytes(with_one_altered(lines, chance))
    look_at(world.run)


def with_one_altered(lines, chance):
    """Lines of JSON, one of which is altered or damaged."""
    place = chance.randrange(len(lines))
    lines[place] = text_of(json.loads(lines[place]), chance)
    return b"\n".join(lines)


def look_at(run):
    """What `runs` says of it, as text and as JSON."""
    found = run_list.read(run)
    listing.as_text([listing.row(found)])
    json.dumps(asdict(found), allow_nan=False)


def of_record(world, chance):
    lines = (records.FOLDER / "net2.jsonl").read_bytes().splitlines()[:3]
    (world.folder / "net2.jsonl").write_bytes(with_one_altered(lines, chance))
    record = records.read_record("net2", world.folder)
    assert math.isfinite(record.summary.mean + record.gap) and record.chosen_on_test
    assert json.dumps(asdict(record), allow_nan=False)
    record.is_of(RECIPES["net2"])


def of_recipe(world, chance):
    good = {"base": "final", "about": "a note"} | asdict(RECIPES["final"])
    path = world.folder / "mine.json"
    path.write_bytes(text_of(good, chance))
    options = parse(["train", f"--recipe={path}"])
    assert recipe_files.label(options)
    build.start(options.recipe.recipe, 0)


WORDS = """train seeds ladder recipe runs predict evaluate export summary data plot course
--recipe --seed --dataset --holdout --fold --device --threads --run-dir --resume --lr --epochs
--net --batch-size --deskew --seeds --jobs --shape --size --test-share --output --format
--digit --index list show info convert compare diff overview final 1 2/5 all/5 1-5,9 3x40x24 --
--lr=1e999 --seed=-0 --dropout=nan --threads=٣ --shape=1x1x99999 --seeds=0-999999 ="""


def of_words(world, chance):
    words = [chance.choice(WORDS.split()) for _ in range(chance.randrange(1, 7))]
    for place in range(len(words)):
        if chance.random() < 0.3:
            words[place] += chance.choice(["=", ""]) + chance.choice([*map(str, NUMBERS), *TEXTS])
        if chance.random() < 0.1:
            content = damaged(words[place].encode(errors="replace"), chance)
            words[place] = content.decode(errors="surrogateescape")
    with contextlib.redirect_stdout(io.StringIO()):
        options = parse(words)
    if hasattr(options, "recipe"):
        chosen_recipe(options)


KINDS = [of_idx, of_checkpoint, of_run, of_history, of_record, of_recipe, of_words]
KINDS = {kind.__name__.removeprefix("of_"): kind for kind in KINDS}


@contextlib.contextmanager
def bounded(mebibytes=1024, seconds=60):
    """Within this context there is only so much more memory, and processor time for one case."""

    def too_long(number, frame):
        raise RuntimeError(f"a case that takes more than {seconds} seconds of the processor")

    limits = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + mebibytes * MIB, limits[1]))
    before = signal.signal(signal.SIGVTALRM, too_long)
    try:
        yield lambda: signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, limits)


def fuzz(world, kind, numbers):
    """Try these cases; how many were refused, and how many taken for good."""
    refused = 0
    with bounded() as begin:
        for number in numbers:
            begin()
            for name, content in world.examples.items():
                (world.run / name).write_bytes(content)
            try:
                KINDS[kind](world, random.Random(f"{kind} {number}"))
            except TinytrainError as error:
                refused += 1
                assert str(error).isprintable() and len(str(error)) < 20_000, (kind, number)
                assert "MemoryError" not in str(error), (kind, number)
            except SystemExit as ended:
                assert kind == "words" and ended.code == 0, (kind, number)
            except BaseException as error:
                raise AssertionError(f"case {number} of {kind}") from error
    return refused, len(numbers) - refused


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cases", [50, pytest.param(2600, marks=pytest.mark.long)])
def test_what_comes_in_is_good_or_refused_in_a_line(world, kind, cases):
    refused, taken = fuzz(world, kind, range(cases))
    assert refused and taken
