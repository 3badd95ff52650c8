"""The command line as a user meets it: output, exit status, one line for every mistake."""

import dataclasses
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from run_files import history, lines_of, weights

from tinytrain import nets, nn
from tinytrain.cli import training_run
from tinytrain.cli.main import main, parse
from tinytrain.cli.plot import PICTURES
from tinytrain.cli.resolve import USED_BY, choose_device, chosen_recipe
from tinytrain.errors import UsageError
from tinytrain.plots import drawing
from tinytrain.recipes import RECIPES, Recipe, build
from tinytrain.runs import run_folder
from tinytrain.train import Training, loop
from tinytrain.workers.group import Workers

SMALL = ["--dataset=synthetic", "--epochs=2", "--batch-size=5", "--threads=1"]
QUICK = ["--dataset=synthetic", "--recipe=net1", "--epochs=1", "--batch-size=20"]


def on(run_dir, data_dir):
    """The flags that name a run and its data."""
    return ["--run-dir", str(run_dir), "--data-dir", str(data_dir)]


def train(run_dir, data_dir, *more):
    return ["train", *SMALL, *on(run_dir, data_dir), *more]


def quick(run_dir, data_dir, *more):
    return ["train", *QUICK, *on(run_dir, data_dir), *more]


def resume(run_dir, data_dir):
    return ["train", "--resume", *on(run_dir, data_dir)]


def interrupted(monkeypatch, after, what=lambda training: None):
    """Have the process get a SIGTERM at that event of the training, once; `what` comes before."""
    fit = loop.fit

    def interrupting(training, *others):
        for number, event in enumerate(fit(training, *others), 1):
            if number == after - 2:
                what(training)
            if number == after:
                monkeypatch.setattr(loop, "fit", fit)
                os.kill(os.getpid(), signal.SIGTERM)
            yield event

    monkeypatch.setattr(loop, "fit", interrupting)


def test_the_log(run):
    lines = (run.parent / "log.txt").read_text().splitlines()
    assert lines[0].startswith("THIS IS NOT MNIST")
    for expected in (
        "Layer (type:depth-idx)                   Output Shape              Param #",
        "Total params: 7,934",
        "conv1.0.weight\t\t torch.Size([8, 1, 3, 3])",
        "trans2.0.weight\t\t torch.Size([10, 31, 1, 1])",
        "Epoch 1",
    ):
        assert lines.count(expected) == 1
    start, lr = lines.index("Epoch 2"), history(run)[1]["lr"]
    assert lines[start - 1] == f"Adjusting learning rate of group 0 to {lr:.4e}."
    bar = r"Train: Loss=\d\S+ Batch_id=79 Accuracy=\d\S+ .* 80/80 \[.*"
    assert re.fullmatch(bar, lines[start + 1])
    assert re.fullmatch(r"Test set: Average loss: .*/50 \(.*%\)", lines[start + 2])
    assert re.match("Verdict: not judged.*not MNIST", lines[-2])
    assert lines[-1] == f"The run is in {run}"
    assert not any(line.startswith("WARNING") for line in lines)


def test_repeated_exactly_by_what_run_json_says(run, tmp_path, data_dir):
    command = json.loads((run / "run.json").read_text())["command"]
    assert command.startswith("python -m tinytrain train --recipe=final --dataset=synthetic ")
    words = [*shlex.split(command)[3:], "--run-dir", str(tmp_path / "run")]
    assert main(words) == 0
    assert history(tmp_path / "run") == history(run)


def test_stopped_in_an_epoch_and_resumed(run, tmp_path, data_dir, fails, monkeypatch, capsys):
    """The run becomes that which nothing interrupted."""
    interrupted(monkeypatch, after=100)
    folder = tmp_path / "run"
    assert f"train --resume --run-dir {folder}" in fails(143, *train(folder, data_dir))
    assert len(history(folder)) == 1
    for words in ["evaluate", *on(folder, data_dir)], ["export", "--run-dir", str(folder)]:
        assert main([*words]) == 0
        assert f"{folder}: unfinished, 1 of 2 epochs" in capsys.readouterr().err
    (folder / "weights.pt").unlink()
    assert main(resume(folder, data_dir)) == 0
    assert history(folder) == history(run)
    assert all(torch.equal(a, b) for a, b in zip(weights(folder), weights(run), strict=True))


def test_resuming_a_finished_run_prints_its_verdict_and_mends_its_history(run, data_dir, printed):
    before = (run / "history.jsonl").read_text()
    (run / "history.jsonl").write_text(before.splitlines()[0] + "\n")
    assert "Verdict" in printed(*resume(run, data_dir))
    assert (run / "history.jsonl").read_text() == before


def test_evaluate_repeats_the_last_line_and_says_what_it_looked_at(
    run, data_dir, printed, tmp_path
):
    def evaluated(run_dir):
        return printed("evaluate", *on(run_dir, data_dir)).splitlines()[-3:]

    last, [net, images, score] = history(run)[-1], evaluated(run)
    assert net == (
        f"Net: net9_3_wide2, 7,934 parameters, averaged weights, of {run} "
        "(recipe final, epochs 2, batch_size 5; seed 1)"
    )
    assert images == "Data: synthetic, 50 test images"
    assert f"{last['test_correct']}/50 ({last['test_accuracy']:.2f}%)" in score
    assert main(quick(tmp_path / "run", data_dir, "--fold=2/4", "--tta=5")) == 0
    net, images, score = evaluated(tmp_path / "run")
    assert net.startswith("Net: net1, 109,946 parameters, of ") and "averaged" not in net
    assert images == "Data: synthetic, 100 held-out training images, 5 views of each"
    assert score.startswith("Holdout set: ")


def test_an_upright_run_stays_upright(tmp_path, data_dir, monkeypatch, printed):
    crooked, whole, stopped = (tmp_path / name for name in ("crooked", "whole", "stopped"))
    for folder, deskew in ((crooked, "no"), (whole, "yes")):
        assert main(quick(folder, data_dir, f"--deskew={deskew}")) == 0
    with monkeypatch.context() as patch:
        interrupted(patch, after=1)
        assert main(quick(stopped, data_dir, "--deskew")) == 143
    assert main(resume(stopped, data_dir)) == 0
    assert history(stopped) == history(whole) != history(crooked)
    shown = printed("evaluate", *on(whole, data_dir))
    assert f"loss: {history(whole)[-1]['test_loss']:.4f}" in shown
    assert "deskewed" in printed("export", "--run-dir", whole, "--output", tmp_path / "it.pt")


def test_holdout_does_not_open_the_test_images(tmp_path, data_dir, printed):
    (tmp_path / "synthetic").mkdir()
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        os.link(f"{data_dir}/synthetic/{name}", tmp_path / "synthetic" / name)
    output = printed(*quick(tmp_path / "run", tmp_path, "--holdout=100"))
    assert "Holdout set: Average loss" in output and "Test set" not in output
    assert history(tmp_path / "run")[-1]["test_total"] == 100


def test_summary(printed, fails, monkeypatch):
    output = printed("summary")
    assert "Total mult-adds (M): 1.04" in output
    assert "conv2.8          8     2    6.5     22     4 to 25" in output
    assert "[-1, 26, 1, 1]" in printed("summary", "--shape", "3x32x32", "--classes", "26")
    assert "conv2.0" in fails(2, "summary", "--shape", "1x8x8")
    own, end = type("Own", (nn.Conv2d,), {}), (nn.AdaptiveAvgPool2d(1), nn.Flatten())
    layers = nn.ReLU(), own(1, 10, 3), *end
    monkeypatch.setitem(nets.NETS, "own", lambda *_: nn.Sequential(*layers))
    words = ["summary", "--net", "own"]
    assert "The window of 1 (Own) is not known" in printed(*words, "--shape", "1x28x30")
    own.forward = lambda self, images: nn.Conv2d.forward(self, images).mean((2, 3))
    monkeypatch.setitem(nets.NETS, "own", lambda *_: own(1, 10, 3))
    assert "Own has a forward of its own" in printed(*words)


@pytest.mark.usefixtures("in_one_process")
def test_seeds_are_trained_once_and_told_together(tmp_path, data_dir, printed, fails):
    few, record = ["seeds", *QUICK, *on(tmp_path, data_dir)], tmp_path / "record.jsonl"
    shown = printed(*few, "--seeds", "1,3")
    assert "over 2 seeds (no interval" in shown and "not judged (the digits were drawn" in shown
    first = (tmp_path / "seed-1" / "checkpoint.pt").stat().st_mtime_ns
    assert main([*few, "--seeds", "1-3"]) == 0
    assert (tmp_path / "seed-1" / "checkpoint.pt").stat().st_mtime_ns == first
    _, *columns = lines_of(record)
    assert [column["seed"] for column in columns] == [1, 2, 3]
    second = [line["test_accuracy"] for line in history(tmp_path / "seed-2")]
    assert columns[1]["test_accuracy"] == second
    before = record.read_bytes()
    older = json.loads((tmp_path / "seed-1" / "run.json").read_text())
    del older["recipe"]["deskew"], older["recipe"]["tta"], older["classes"]
    (tmp_path / "seed-1" / "run.json").write_text(json.dumps(older))
    assert main([*few, "--seeds", "1-3"]) == 0
    assert record.read_bytes() == before
    for other in "lr=0.5", "epochs=9", "holdout=30", "fold=1/2":
        assert f"({other.partition('=')[0]})" in fails(2, *few, f"--{other}", "--seeds=1")


@pytest.mark.usefixtures("in_one_process")
def test_all_folds_test_every_training_image_once(tmp_path, data_dir, fails, printed):
    one, other = (["seeds", *QUICK, *on(tmp_path / name, data_dir)] for name in "ab")
    assert "all images of the folds, last epoch: accuracy" in printed(*one, "--fold", "all/2")
    head, *columns = lines_of(tmp_path / "a" / "record.jsonl")
    assert (head["fold"], head["holdout"]) == ("all/2", 200)
    assert [column["seed"] for column in columns] == [1, 2]
    assert "--fold=all/2" in head["command"]
    assert main([*other, "--fold", "all/2", "--lr", "0.001"]) == 0
    folders = [str(tmp_path / name) for name in "ab"]
    text = printed("runs", "compare", *folders)
    compared = json.loads(printed("runs", "compare", *folders, "--json"))
    assert compared["settings"] == {"lr": [0.03, 0.001]} and compared["runs"] == folders
    assert all(pooled in text for pooled in compared["pooled"])
    accuracy = [
        sum(line["test_accuracy"][-1] for line in lines_of(Path(folder, "record.jsonl"))[1:]) / 2
        for folder in folders
    ]
    assert compared["value"] == pytest.approx(accuracy[1] - accuracy[0], abs=6e-4)
    assert compared["paired"] and compared["seeds"] == [[1, 2]] * 2
    assert text.count("all images of the folds") == 2 and "0.001" in text
    assert compared["interval"] is None and "95 %" not in text
    fails(2, *other, "--fold", "all/3")
    uneven = printed(*one[:-4], *on(tmp_path / "uneven", data_dir), "--fold", "all/3")
    assert "of the folds, last epoch: accuracy" in uneven  # 133 and 134 images
    assert main([*one[:-4], *on(tmp_path / "c", data_dir), "--seeds=1-2", "--fold=2/2"]) == 0
    assert lines_of(tmp_path / "c" / "record.jsonl")[0]["fold"] == "2/2"


@pytest.fixture
def drawn(run, data_dir, tmp_path, fails):
    """`drawn(*words)`: draw into a new file, which is returned; with a status: the refusal."""
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")

    def drawn(*words, status=0, name="picture.svg"):
        output = tmp_path / "new" / name
        words = ["plot", *map(str, words), "--output", str(output)]
        if status:
            return fails(status, *words)
        assert main(words) == 0
        return output.read_bytes()

    return drawn


def test_curves(run, tmp_path, drawn, monkeypatch):
    drawn = partial(drawn, "curves")
    assert drawn(run).startswith(b"<?xml")
    other = tmp_path / "other" / run.name  # two runs of one name
    shutil.copytree(run, other)
    assert str(other).encode() in drawn(run, other)
    assert "curves.nothing" in drawn(run, status=2, name="curves.nothing")
    assert "suffix" in drawn(run, status=2, name="curves")
    (other / "history.jsonl").write_text("")
    assert f"{other}: expected a run with an epoch" in drawn(run, other, status=3)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert re.search("matplotlib.*plots", drawn(run, status=2))


def test_curves_of_seeds(run, tmp_path, drawn, monkeypatch):
    for seed, epochs in ((1, 2), (2, 1)):  # one is unfinished
        place = tmp_path / "seeds" / f"seed-{seed}"
        shutil.copytree(run, place)
        settings = json.loads((place / "run.json").read_text()) | {"seed": seed}
        (place / "run.json").write_text(json.dumps(settings))
        lines = (place / "history.jsonl").read_text().splitlines(keepends=True)
        (place / "history.jsonl").write_text("".join(lines[:epochs]))
    assert b"seeds: mean of 2 seeds, band from the lowest" in drawn("curves", place.parent)
    (place / "run.json").write_text(json.dumps(settings | {"holdout": 9}))
    assert str(place) in drawn("curves", place.parent, status=2)
    figures, recipe = [], settings["recipe"] | {"epochs": 15}
    monkeypatch.setattr(drawing, "save", lambda figure, output: figures.append(figure))
    for change in ({}, {"holdout": 9}):  # the target is marked where a run is judged by it
        content = settings | {"dataset": "mnist", "recipe": recipe} | change
        (place / "run.json").write_text(json.dumps(content))
        assert main(["plot", "curves", str(place)]) == 0
    assert [len(figure.axes[0].lines) for figure in figures] == [3, 2]


def test_curves_of_runs_of_any_name(run, tmp_path, monkeypatch, drawn):
    names = ["a\udcffb", "a\nb", r"$\frac$", "_a"]
    for name in names:
        shutil.copytree(run, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert drawn("curves", *names, name="curves.png").startswith(b"\x89PNG")


def test_pictures_of_one_digit(run, data_dir, capsys, drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(
        drawing, "save", lambda figure, output: output.parent.mkdir() or output.write_text("drawn")
    )
    words = on(run, data_dir)
    drawn("maps", *words, "--digit=7")
    assert "image 7, a " in capsys.readouterr().out
    shutil.rmtree(tmp_path / "new")
    drawn("augmentation", *words, "--digit=399")
    assert "from 0 to 49" in drawn("maps", *words, "--digit=50", status=2)
    assert "from 0 to 399" in drawn("augmentation", *words, "--digit=400", status=2)
    assert "filters" in drawn("filters", *words, "--digit=1", status=2)


def test_pictures_of_a_net_with_nothing_to_show(tmp_path, data_dir, drawn):
    assert main(quick(tmp_path / "run", data_dir)) == 0
    words = on(tmp_path / "run", data_dir)
    named = {"filters": "no convolution", "maps": "no layer", "augmentation": "no augmentation"}
    for picture, reason in named.items():
        assert reason in drawn(picture, *words, status=2)
    drawn("confusion", *words)


def test_default_outputs_go_to_runs(run, data_dir, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    monkeypatch.chdir(tmp_path)
    assert main(["plot", "curves", str(run)]) == 0
    assert main(["plot", "filters", *on(run, data_dir)]) == 0
    assert {str(path) for path in Path().rglob("*.*")} == {"runs/curves.svg", "runs/filters.png"}
    assert str(parse(["course"]).output) == "runs/course.html"


@pytest.mark.parametrize("cuda, mps, chosen", [(1, 1, "cuda"), (0, 1, "mps"), (0, 0, "cpu")])
def test_the_best_device_is_taken(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(cuda))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2 * cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: bool(mps))
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert choose_device("auto") == chosen
    assert torch.backends.cudnn.deterministic == (chosen == "cuda")  # kernels that repeat
    assert torch.backends.cudnn.allow_tf32 == (chosen != "cuda")
    for name, here in {"cuda:1": cuda, "cuda:2": False, "mps": mps, "cpu": True}.items():
        with nullcontext() if here else pytest.raises(UsageError, match="no such device"):
            assert choose_device(name) == name


def test_a_process_that_cannot_be_started(tmp_path, data_dir, fails, monkeypatch):
    words = ["seeds", *QUICK, *on(tmp_path / "all", data_dir)]
    monkeypatch.setattr(subprocess, "Popen", Mock(side_effect=OSError(11, "Try again")))
    assert re.search("seed-1: its process.*Try again.*--jobs", fails(1, *words))
    (tmp_path / "all" / "seed-1.log").unlink()
    (tmp_path / "all" / "seed-1.log").mkdir()
    assert f"{tmp_path / 'all'}: cannot be written" in fails(2, *words)


def test_require_target_counts_not_judged_as_missed(tmp_path, data_dir, fails):
    fails(1, *quick(tmp_path / "run", data_dir, "--require-target"))


# Values that a flag refuses, which is named.
VALUES = {
    "train --epochs": ["0", "0.5"],
    "train --lr": ["nan", "1e39", "-1"],
    "train --seed": ["-1"],
    "train --threads": ["0", "3000000000"],
    "train --tta": ["3"],
    "train --device": ["gpu"],
    "doctor --device": ["gpu"],
    "seeds --seeds": ["one", "5-1", "1-", "1,1", "1-3,2"],
}
# Other mistakes, the exit status, and what is named.
MISTAKES = [
    *((f"{flag}={value}", 2, flag.split()[1]) for flag in VALUES for value in VALUES[flag]),
    ("--seed=1", 2, "COMMAND"),
    ("trian", 2, "train"),
    ("train --epoch 3", 2, "--epoch: not known here; close to it: --epochs"),
    ("train more", 2, "more"),
    ("train --net net99", 2, "net9_3"),
    ("summary --net net99", 2, "net9_3"),
    ("train --recipe nothing", 2, "recipe list"),
    ("train --recipe refrence", 2, "close to it: reference"),
    ("train --dataset cifar", 2, "fashion-mnist"),
    ("train --net net7 --dropout=0.1", 2, "net7 has no"),
    ("train --schedule cosinus", 2, "warmup-linear"),
    ("train --gamma 0.5", 2, "--schedule step"),
    ("train --schedule=cosine --warmup 0.3", 2, "--schedule warmup-linear or one-cycle"),
    ("train --fold 0/5", 2, "part 1 to 5"),
    ("train --fold all/5", 2, "part 1 to 5"),
    ("seeds --fold all/1", 2, "2 to 100"),
    ("seeds --fold all/5 --seeds 1-3", 2, "--seeds 1-3"),
    ("ladder --fold all/5 --all --seeds 1", 2, "--seeds 1"),
    ("ladder --all net1", 2, "--all"),
    ("recipe show finel", 2, "recipe show"),
    ("train --dataset=synthetic --fold=1/2 --holdout=9", 2, "200 of 400"),
    ("train --dataset=synthetic --holdout 400", 2, "399"),
    ("train --deskew half", 2, "yes or no"),
    ("train --dropout 1.5", 2, "from 0 to 1"),
    ("train --momentum 0.9", 2, "--momentum 0"),
    ("train --threads 1000000", 2, "8 for each core"),
    ("evaluate --threads 1000000", 2, "8 for each core"),
    (f"train --device cuda:{'1' * 5000}", 2, "cuda:N"),
    ("train --device cuda:x", 2, "cuda:N"),
    ("train --compute=graph --device=cpu", 2, "--compute graph"),
    ("train --tf32 --device=cpu", 2, "--tf32"),
    ("seeds --compute=graph --device=cpu", 2, "--compute graph"),
    ("train --compile --shards=2 --device=cpu", 2, "--compute compiled"),
    ("train --data-dir ~nobody-here/x", 2, "~nobody-here"),
    ("train --resume", 2, "--run-dir"),
    ("export", 2, "--run-dir"),
    ("export --run-dir=x --format=onnx", 2, "torch"),
    ("plot mapps", 2, "'mapps'"),
    ("plot maps x", 2, "x: "),
    ("plot curves x --digit=1", 2, "--digit"),
    ("plot curves", 2, "curves"),
    ("plot curves nowhere", 3, "nowhere"),
    ("ladder net77", 2, "expected a rung"),
    ("runs compre a b", 3, "close to it: compare"),
    ("train --resume --run-dir nowhere", 3, "nowhere"),
    ("evaluate --run-dir nowhere", 3, "nowhere"),
    ("export --run-dir nowhere", 3, "nowhere"),
]


@pytest.mark.usefixtures("unreachable")
@pytest.mark.parametrize(("words", "status", "named"), MISTAKES, ids=lambda case: str(case)[:40])
def test_a_mistake_is_one_line(words, status, named, data_dir, fails, monkeypatch, tmp_path):
    monkeypatch.setenv("TINYTRAIN_DATA", data_dir)
    monkeypatch.chdir(tmp_path)
    assert named in fails(status, *words.split())
    assert not list(tmp_path.iterdir())


def test_a_device_may_change_in_a_resumed_run(run, data_dir, fails, tmp_path, printed):
    assert "begun on" not in printed(*resume(run, data_dir), "--device", "cpu")  # as it was
    before = run_folder.read_settings(run)
    begun = replace(before, device="cuda", compute="graph", tf32=True)
    training = build.start(begun.recipe, begun.seed)
    run_folder.restore(run, before, training)
    moved = tmp_path / "moved"
    run_folder.create(moved, begun, training, "")
    run_folder.save(moved, begun, training)
    assert re.search("--device: .*was begun on cuda", fails(2, *resume(moved, data_dir)))
    text = printed(*resume(moved, data_dir), "--device", "auto")
    for said in (
        "on cuda and goes on on cpu",
        "with --compute graph and goes on with --compute plain",
    ):
        assert f"begun {said}: sums round differently" in text
    assert run_folder.read_settings(moved) == begun


def test_on_cuda_steps_are_a_graph_unless_they_cannot_be(tiny, monkeypatch, capsys):
    training = build.start(RECIPES["net1"], 1)
    monkeypatch.setattr(Training, "device", torch.device("cuda"))
    refusal = Mock()
    monkeypatch.setattr(training_run, "require_capturable", refusal)
    assert training_run.choose_compute("auto", training, tiny, Workers()) == "graph"
    refusal.side_effect = UsageError("conv1 (Own)")
    assert training_run.choose_compute("auto", training, tiny, Workers()) == "plain"
    assert "conv1 (Own)" in capsys.readouterr().out
    with pytest.raises(UsageError, match="Own"):
        training_run.choose_compute("graph", training, tiny, Workers())
    monkeypatch.setattr(Training, "device", torch.device("cpu"))
    assert training_run.choose_compute("auto", training, tiny, Workers()) == "plain"
    assert not capsys.readouterr().out


def test_a_compiled_run_says_so_and_keeps_it_unless_nothing_compiles(
    tmp_path, data_dir, printed, fails, monkeypatch
):
    words = quick(tmp_path / "run", data_dir, "--compile", "--device=cpu")
    monkeypatch.setattr(torch, "compile", Mock(side_effect=RuntimeError("no g++\nmore")))
    assert "(no g++)" in fails(2, *words)
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(torch, "compile", Mock(side_effect=lambda function, **_: function))
    interrupted(monkeypatch, 3)
    assert main(words) == 143
    assert run_folder.read_settings(tmp_path / "run").compute == "compiled"
    for more in [], ["--compute", "plain"]:
        shutil.copytree(tmp_path / "run", tmp_path / f"run{len(more)}")
        torch.compile.reset_mock()
        text = printed(*resume(tmp_path / f"run{len(more)}", data_dir), *more)
        assert bool(more) == ("goes on with --compute plain" in text)
        assert bool(more) != torch.compile.called


def other(field):
    """A value that the field of the final recipe does not have, and its net can use."""
    now = getattr(RECIPES["final"], field.name)
    if isinstance(now, bool):
        return not now
    if choices := field.metadata["choices"]:
        return next(choice for choice in choices if choice != now)
    return "late7500" if field.name == "net" else now + 1 if isinstance(now, int) else 0.03125


@pytest.mark.parametrize("field", dataclasses.fields(Recipe), ids=lambda field: field.name)
def test_every_field_of_a_recipe_is_a_flag(field):
    flag, value = f"--{field.name.replace('_', '-')}", other(field)
    given = {"schedule": USED_BY[field.name][0]} if field.name in USED_BY else {}
    options = parse(["train", f"{flag}={value}", *(f"--schedule={v}" for v in given.values())])
    assert chosen_recipe(options) == replace(RECIPES["final"], **{field.name: value} | given)
    assert options.given == {field.name, *given}
    assert flag in parse(["train"]).parser.format_help()


def test_a_switch_alone_or_with_its_value():
    for words in (["--deskew"], ["--deskew", "yes"], ["--deskew=1"]):
        assert parse(["train", *words]).deskew
    assert not parse(["train", "--deskew", "no"]).deskew


def test_folders_that_cannot_be_used(run, tmp_path, data_dir, fails):
    assert re.search("--resume.*--run-dir", fails(2, *train(run, data_dir)))
    assert "--resume" not in fails(2, *train(run.parent, data_dir))
    (tmp_path / "file").write_text("not a folder")
    assert str(tmp_path / "file") in fails(2, *train(tmp_path / "file" / "run", data_dir))
    shutil.copytree(f"{data_dir}/synthetic", tmp_path / "synthetic")
    (tmp_path / "synthetic" / "t10k-images-idx3-ubyte").unlink()
    assert "t10k-images-idx3-ubyte missing" in fails(3, *train(tmp_path / "run", tmp_path))
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_under_the_output():
    command = [sys.executable, "-m", "tinytrain", "recipe"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and re.fullmatch("tinytrain: .*no space left\n", done.stderr)


def test_a_diverging_run(tmp_path, data_dir, fails):
    run_dir = tmp_path / "run"
    kept = f"epoch 1, step 50.*the last save in {run_dir} is before step 1 of epoch 1"
    assert re.search(kept, fails(4, *train(run_dir, data_dir, "--lr", "1e30")))
    assert main(["evaluate", *on(run_dir, data_dir)]) == 0


@pytest.mark.parametrize("after", [5, 85])
def test_what_diverged_is_not_saved_by_an_interrupt(tmp_path, data_dir, fails, monkeypatch, after):
    """The loss is looked at every fiftieth step only, and the interrupt comes before that."""
    run_dir, epoch = tmp_path / "run", 1 + after // 80
    interrupted(monkeypatch, after, lambda training: setattr(training, "lr", 1e20))
    kept = f"not finite.*the last save in {run_dir} is before step 1 of epoch {epoch}"
    assert re.search(kept, fails(4, *train(run_dir, data_dir)))
    assert len(history(run_dir)) == epoch - 1
    assert all(tensor.isfinite().all() for tensor in weights(run_dir))


@pytest.mark.parametrize(("batch_size", "first"), [(1, 1), (32, 2)])
def test_a_training_that_does_nothing_is_said(tmp_path, drawn_data, printed, batch_size, first):
    """After every epoch from the hundredth step on, and after the last one."""
    words = ["--recipe=net1", "--lr=1e-9", "--epochs=2", f"--batch-size={batch_size}"]
    lines = printed(*train(tmp_path / "run", drawn_data(110, 10), *words)).splitlines()
    said = [line for line in lines if line.startswith("WARNING: nothing is learned")]
    assert len(said) == 3 - first and lines.index(said[0]) > lines.index(f"Epoch {first}")
    assert re.search(r"guessing 2\.\d+; .*--lr, now 1e-09", said[0])


def test_help_needs_neither_torch_nor_numpy_and_rooms_are_imported_when_asked_for():
    check = (
        "import sys, tinytrain\nfrom tinytrain.cli.main import COMMANDS, main\n"
        "main(['--help'])\n"
        "assert not any(f'tinytrain.cli.{name}' in sys.modules for name in COMMANDS)\n"
        "assert not any(main([name, '--help']) for name in COMMANDS)\n"
        "assert not {'torch', 'numpy', 'tinytrain.course'} & set(sys.modules)\n"
        "assert set(tinytrain.ROOMS) < set(dir(tinytrain))\n"
        "tinytrain.nn.Linear, tinytrain.data.load, tinytrain.nets.net9_3, tinytrain.train.fit\n"
        "assert not hasattr(tinytrain, 'nothing')"
    )
    done = subprocess.run([sys.executable, "-c", check], stdout=subprocess.DEVNULL)
    assert done.returncode == 0


def test_without_a_word_there_is_help(printed, monkeypatch, capsys):
    shown = printed("--help")
    monkeypatch.setattr(sys, "argv", ["tinytrain"])
    assert main() == 0 and capsys.readouterr().out == shown and "exit status" in shown
    shown = printed("plot", "--help")
    assert all(re.search(f"{name} +{said}\n", shown) for name, said in PICTURES.items())


@pytest.mark.usefixtures("unreachable")
def test_no_mirror_answers(tmp_path, data_dir, capsys, fails):
    error = fails(3, "train", *on(tmp_path / "run", tmp_path))
    assert all(name in error for name in ("127.0.0.1:1", "--dataset synthetic", "--data-dir"))
    assert not (tmp_path / "run").exists()
    assert main([*quick(tmp_path / "run", data_dir), "--dataset=mnist", "--or-synthetic"]) == 0
    output = capsys.readouterr()
    assert "127.0.0.1:1" in output.err
    assert output.out.startswith("THIS IS NOT MNIST")
    assert "not MNIST" in output.out.splitlines()[-2]
