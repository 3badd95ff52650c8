"""The command line as a user meets it: output, exit status, one line for every mistake."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from tinytrain import nets, nn
from tinytrain.cli.main import main, parse
from tinytrain.cli.plot import PICTURES
from tinytrain.cli.resolve import choose_device, chosen_recipe
from tinytrain.errors import UsageError
from tinytrain.plots import drawing, net_pictures
from tinytrain.recipes import Recipe
from tinytrain.results.variations import RECIPES
from tinytrain.runs import run_folder, signals
from tinytrain.store import sources, synthetic
from tinytrain.train import build, loop

SMALL = ["--dataset", "synthetic", "--epochs", "2", "--batch-size", "5", "--threads", "1"]


@pytest.fixture(autouse=True)
def threads():
    """Commands set the number of threads; put it back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def train(run_dir, data_dir, *more):
    return ["train", *SMALL, *on(run_dir, data_dir), *more]


def on(run_dir, data_dir):
    """The flags that name a run and its data."""
    return ["--run-dir", str(run_dir), "--data-dir", str(data_dir)]


def resume(run_dir, data_dir):
    return ["train", "--resume", *on(run_dir, data_dir)]


def one_line(errors):
    return errors.startswith("tinytrain: ") and errors.count("\n") == 1


def fails(capsys, status, arguments, *named):
    """Whether `arguments` end in that exit status, with one line that has all of `named`."""
    capsys.readouterr()
    found = main([*map(str, arguments)])
    errors = capsys.readouterr().err
    return found == status and one_line(errors) and all(str(name) in errors for name in named)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def history(run_dir):
    return [line | {"seconds": 0} for line in lines_of(run_dir / "history.jsonl")]


def weights(run_dir):
    state = torch.load(run_dir / "checkpoint.pt", weights_only=True)["state"]
    return [*state["net"].values(), *state["ema"]["net"].values()]


@pytest.fixture(scope="module")
def run(tmp_path_factory, data_dir):
    """A run that nothing interrupted."""
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    assert main(train(run_dir, data_dir)) == 0
    return run_dir


def test_the_log(tmp_path, data_dir, capsys):
    assert main(train(tmp_path / "run", data_dir)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("THIS IS NOT MNIST")
    for expected in (
        "Layer (type:depth-idx)                   Output Shape              Param #",
        "Total params: 7,934",
        "conv1.0.weight\t\t torch.Size([8, 1, 3, 3])",
        "trans2.0.weight\t\t torch.Size([10, 31, 1, 1])",
        "Epoch 1",
        "Epoch 2",
    ):
        assert lines.count(expected) == 1
    start = lines.index("Epoch 2")
    lr = history(tmp_path / "run")[1]["lr"]
    assert lines[start - 1] == f"Adjusting learning rate of group 0 to {lr:.4e}."
    assert lines[start + 1].startswith("Train: Loss=")
    assert "Batch_id=79 Accuracy=" in lines[start + 1] and " 80/80 [" in lines[start + 1]
    assert lines[start + 2].startswith("Test set: Average loss: ")
    assert lines[start + 2].endswith("%)") and "/50 (" in lines[start + 2]
    assert lines[-2].startswith("Verdict: not judged") and "not MNIST" in lines[-2]
    assert lines[-1] == f"The run is in {tmp_path / 'run'}"
    assert not any(line.startswith("WARNING") for line in lines)


def test_repeated_exactly_by_what_run_json_says(run, tmp_path, data_dir):
    command = json.loads((run / "run.json").read_text())["command"]
    assert command.startswith("python -m tinytrain train --dataset synthetic")
    assert main(train(tmp_path / "run", data_dir)) == 0
    assert history(tmp_path / "run") == history(run)


@pytest.mark.parametrize("how, status", [("SIGKILL", -9), ("SIGTERM", 143)])
def test_stopped_in_an_epoch_and_resumed(run, tmp_path, data_dir, how, status):
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "tinytrain", *train(folder, data_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line == "Epoch 2\n":
            process.send_signal(getattr(signal, how))
            break
    _, errors = process.communicate()
    assert process.returncode == status
    if status > 0:
        assert errors.count("\n") == 1 and f"train --resume --run-dir {folder}" in errors
    assert len(history(folder)) == 1
    assert main(resume(folder, data_dir)) == 0
    assert history(folder) == history(run)
    assert all(torch.equal(a, b) for a, b in zip(weights(folder), weights(run), strict=True))


def test_resuming_a_finished_run_prints_its_verdict(run, data_dir, capsys):
    before = history(run)
    assert main(resume(run, data_dir)) == 0
    assert "Verdict" in capsys.readouterr().out
    assert history(run) == before


def test_evaluate_repeats_the_last_line(run, data_dir, capsys):
    assert main(["evaluate", *on(run, data_dir)]) == 0
    last, lines = history(run)[-1], capsys.readouterr().out.splitlines()
    assert lines[-3] == (
        f"Net: net9_3_wide2, 7,934 parameters, averaged weights, of {run} "
        "(recipe final, epochs 2, batch_size 5; seed 1)"
    )
    assert lines[-2] == "Data: synthetic, 50 test images"
    assert f"{last['test_correct']}/50 ({last['test_accuracy']:.2f}%)" in lines[-1]


def test_evaluate_says_what_it_looked_at(tmp_path, data_dir, capsys):
    few = ["--fold=2/4", "--recipe=net1", "--tta=5", "--epochs=1"]
    assert main([*train(tmp_path / "run", data_dir), *few]) == 0
    assert main(["evaluate", *on(tmp_path / "run", data_dir)]) == 0
    net, images, score = capsys.readouterr().out.splitlines()[-3:]
    assert net.startswith("Net: net1, 109,946 parameters, of ") and "averaged" not in net
    assert images == "Data: synthetic, 100 held-out training images, 5 looks at each"
    assert score.startswith("Holdout set: ")


def test_an_upright_run_stays_upright(run, tmp_path, data_dir, capsys, monkeypatch):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main(train(whole, data_dir, "--recipe", "upright")) == 0
    with monkeypatch.context() as patch:
        patch.setenv(signals.PARENT, "a process that is no more")
        assert main(train(stopped, data_dir, "--recipe", "upright")) == 143
    assert main(resume(stopped, data_dir)) == 0
    assert history(stopped) == history(whole) != history(run)
    capsys.readouterr()
    assert main(["evaluate", *on(whole, data_dir)]) == 0
    last = history(whole)[-1]
    assert f"loss: {last['test_loss']:.4f}" in capsys.readouterr().out
    assert main(["export", "--run-dir", str(whole), "--output", str(tmp_path / "it.pt")]) == 0
    assert "upright" in capsys.readouterr().out


def test_evaluate_wants_the_images_of_the_run(run, tmp_path, capsys):
    (tmp_path / "synthetic").mkdir()
    synthetic.write_files(tmp_path / "synthetic", seed=1, train=400, test=50)
    assert fails(capsys, 3, ["evaluate", *on(run, tmp_path)])


def test_a_history_that_lost_a_line_is_mended(run, data_dir, capsys):
    before = (run / "history.jsonl").read_text()
    (run / "history.jsonl").write_text(before.splitlines()[0] + "\n")
    assert main(resume(run, data_dir)) == 0
    assert (run / "history.jsonl").read_text() == before


def test_holdout_does_not_open_the_test_images(tmp_path, data_dir, capsys):
    (tmp_path / "synthetic").mkdir()
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        os.link(f"{data_dir}/synthetic/{name}", tmp_path / "synthetic" / name)
    assert main(train(tmp_path / "run", str(tmp_path), "--holdout", "100")) == 0
    output = capsys.readouterr().out
    assert "Holdout set: Average loss" in output and "Test set" not in output
    assert history(tmp_path / "run")[-1]["test_total"] == 100


def test_summary(capsys):
    assert main(["summary"]) == 0
    output = capsys.readouterr().out
    assert "Total mult-adds (M): 1.04" in output
    assert "conv2.8          8     2    6.5     22     4 to 25     4 to 25" in output
    assert "~" not in output


def test_summary_of_images_that_are_not_square(capsys):
    assert main(["summary", "--shape", "1x28x30"]) == 0
    assert "square images only" in capsys.readouterr().out
    assert fails(capsys, 2, ["summary", "--shape", "3x28x28"], "--shape")


def test_summary_marks_what_rests_on_a_measurement(capsys, monkeypatch):
    class Own(nn.Conv2d):
        """No rule says what this looks at."""

    monkeypatch.setitem(nets.NETS, "own", lambda _: nn.Sequential(nn.ReLU(), Own(1, 10, 3)))
    assert main(["summary", "--net", "own"]) == 0
    output = capsys.readouterr().out
    assert " ~3    13 to 15    13 to 15\n~ " in output


def test_seeds_are_trained_once_and_told_together(tmp_path, data_dir, capsys):
    few = ["seeds", *SMALL[:-2], *on(tmp_path / "all", data_dir)]
    assert main([*few, "--seeds", "1,3"]) == 0
    shown = capsys.readouterr().out
    assert "over 2 seeds (no interval" in shown and "not judged (the digits were drawn" in shown
    first = (tmp_path / "all" / "seed-1" / "checkpoint.pt").stat().st_mtime_ns
    assert main([*few, "--seeds", "1-3"]) == 0
    assert (tmp_path / "all" / "seed-1" / "checkpoint.pt").stat().st_mtime_ns == first
    _, *columns = lines_of(tmp_path / "all" / "record.jsonl")
    assert [column["seed"] for column in columns] == [1, 2, 3]
    assert columns[1]["test_accuracy"] == [
        line["test_accuracy"] for line in history(tmp_path / "all" / "seed-2")
    ]
    before = (tmp_path / "all" / "record.jsonl").read_bytes()
    older = json.loads((tmp_path / "all" / "seed-1" / "run.json").read_text())
    del older["recipe"]["deskew"], older["recipe"]["tta"]
    (tmp_path / "all" / "seed-1" / "run.json").write_text(json.dumps(older))
    assert main([*few, "--seeds", "1-3"]) == 0
    assert (tmp_path / "all" / "record.jsonl").read_bytes() == before
    assert fails(capsys, 2, [*few, "--lr", "0.5"])


def test_all_folds_test_every_training_image_once(tmp_path, data_dir, capsys, in_one_process):
    one, other = (["seeds", *SMALL[:-2], *on(tmp_path / name, data_dir)] for name in "ab")
    assert main([*one, "--fold", "all/2", "--epochs", "1"]) == 0
    assert "all 400 images of the folds, last epoch: accuracy" in capsys.readouterr().out
    head, *columns = lines_of(tmp_path / "a" / "record.jsonl")
    assert (head["fold"], head["holdout"]) == ("all/2", 200)
    assert [column["seed"] for column in columns] == [1, 2]
    assert "--fold=all/2" in head["command"]
    assert main([*other, "--fold", "all/2", "--epochs", "1", "--lr", "0.001"]) == 0
    capsys.readouterr()
    folders = [str(tmp_path / name) for name in "ab"]
    assert main(["runs", "compare", *folders]) == 0
    text = capsys.readouterr().out
    assert main(["runs", "compare", *folders, "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["settings"] == {"lr": ["0.03", "0.001"]} and compared["records"] == folders
    assert all(compared["pooled"][folder] in text for folder in folders)
    assert compared["gain"] in text
    accuracy = [
        sum(line["test_accuracy"][-1] for line in lines_of(Path(folder, "record.jsonl"))[1:]) / 2
        for folder in folders
    ]
    gain = float(re.search(r"([+-][\d.]+) points over 2 pairs", text)[1])
    assert accuracy[1] - accuracy[0] == pytest.approx(gain, abs=6e-4)
    assert text.count("all 400 images of the folds") == 2
    assert "no interval" in text and "95 %" not in text and "0.001" in text
    record = tmp_path / "b" / "record.jsonl"
    record.write_text(record.read_text().replace('"fold": "all/2"', '"fold": ""'))
    assert fails(capsys, 2, ["runs", "compare", *folders], "fold")
    assert fails(capsys, 2, [*other, "--fold", "all/3", "--epochs", "1"])


def test_many_seeds_on_one_fold(tmp_path, data_dir, in_one_process):
    words = ["seeds", *SMALL[:-2], *on(tmp_path / "one", data_dir), "--epochs", "1"]
    assert main([*words, "--seeds", "1-2", "--fold", "2/2"]) == 0
    assert lines_of(tmp_path / "one" / "record.jsonl")[0]["fold"] == "2/2"


def test_plot(run, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    assert main(["plot", str(run), "--output", str(tmp_path / "curves.svg")]) == 0
    assert (tmp_path / "curves.svg").read_text().startswith("<?xml")
    assert fails(capsys, 2, ["plot", run, "--output", tmp_path / "curves.nothing"])


def test_drawing_without_matplotlib_or_a_kind(run, tmp_path, capsys, monkeypatch):
    words = ["plot", run, "--output", tmp_path / "curves"]
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    assert fails(capsys, 2, words, "suffix")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert fails(capsys, 2, words, "matplotlib", "plots")


def test_plot_of_runs_of_one_name(run, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    shutil.copytree(run, tmp_path / "other" / run.name)
    output = tmp_path / "curves.svg"
    history = tmp_path / "other" / run.name / "history.jsonl"
    lines = [line | {"raw_test_accuracy": line["test_accuracy"]} for line in lines_of(history)]
    history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["plot", str(run), str(history.parent), "--output", str(output)]) == 0
    assert str(history.parent) in output.read_text()


@pytest.mark.parametrize("cuda, mps, chosen", [(1, 1, "cuda"), (0, 1, "mps"), (0, 0, "cpu")])
def test_the_best_device_is_taken(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(cuda))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2 * cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: bool(mps))
    assert choose_device("auto") == chosen
    for name, here in {"cuda:1": cuda, "cuda:2": False, "mps": mps, "cpu": True}.items():
        with nullcontext() if here else pytest.raises(UsageError, match="no such device"):
            assert choose_device(name) == name


def test_default_outputs_go_to_runs(run, data_dir, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    monkeypatch.chdir(tmp_path)
    assert main(["plot", str(run)]) == 0
    assert main(["gallery", "filters", *on(run, data_dir)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    names = {path.name for path in (tmp_path / "runs").iterdir()}
    assert names == {"curves.svg", "filters.png"}
    assert str(parse(["course"]).output) == "runs/course.html"


@pytest.mark.parametrize("picture", PICTURES)
def test_gallery(run, data_dir, tmp_path, picture, monkeypatch):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    monkeypatch.setattr(net_pictures, "MOST_MAPS", 3)
    output = tmp_path / "new" / "picture.png"
    assert main(["gallery", picture, *on(run, data_dir), "--output", str(output)]) == 0
    assert output.read_bytes().startswith(b"\x89PNG")


def test_gallery_help_names_the_pictures(capsys):
    assert main(["gallery", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name:<14}{said}\n" in shown for name, said in PICTURES.items())


def test_gallery_of_one_digit(run, data_dir, tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    monkeypatch.setattr(drawing, "save", lambda figure, output: None)
    words = [*on(run, data_dir), "--output", str(tmp_path / "picture.png")]
    assert main(["gallery", "maps", *words, "--digit", "7"]) == 0
    assert "image 7, a " in capsys.readouterr().out
    assert main(["gallery", "augmentation", *words, "--digit", "399"]) == 0
    assert fails(capsys, 2, ["gallery", "maps", *words, "--digit", "50"], "from 0 to 49")
    assert fails(capsys, 2, ["gallery", "augmentation", *words, "--digit=400"], "from 0 to 399")
    assert fails(capsys, 2, ["gallery", "filters", *words, "--digit=1"], "--digit", "filters")


def test_gallery_of_a_net_with_nothing_to_show(tmp_path, data_dir, capsys):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    assert main([*train(tmp_path / "run", data_dir), "--net=net1", "--recipe=net7"]) == 0
    words = [*on(tmp_path / "run", data_dir), "--output", str(tmp_path / "picture.png")]
    assert fails(capsys, 2, ["gallery", "filters", *words], "no convolution")
    assert fails(capsys, 2, ["gallery", "maps", *words], "no layer")
    assert fails(capsys, 2, ["gallery", "augmentation", *words], "no augmentation")
    assert main(["gallery", "confusion", *words]) == 0


def test_seeds_save_what_was_interrupted(tmp_path, data_dir):
    words = ["seeds", *SMALL[:2], "--batch-size=1", "--seeds=1", *on(tmp_path / "all", data_dir)]
    command = [sys.executable, "-m", "tinytrain", *words]
    # Where tests run in the background Ctrl-C is ignored, and a process inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    log = tmp_path / "all" / "seed-1.log"
    while not (log.exists() and "Epoch 1" in log.read_text()):
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"ended with {process.wait(0.05)}: {process.stderr.read()}")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130 and "tinytrain: interrupted; the runs" in errors
    state = torch.load(tmp_path / "all" / "seed-1" / "checkpoint.pt", weights_only=True)["state"]
    assert (state["epoch"], state["batch"]) > (1, 0)


def test_a_process_that_cannot_be_started(tmp_path, data_dir, capsys, monkeypatch):
    words = ["seeds", *SMALL[:-2], *on(tmp_path / "all", data_dir)]
    monkeypatch.setattr(subprocess, "Popen", Mock(side_effect=OSError(11, "Try again")))
    assert fails(capsys, 1, words, "seed-1: its process", "Try again", "--jobs")
    (tmp_path / "all" / "seed-1.log").unlink()
    (tmp_path / "all" / "seed-1.log").mkdir()
    assert fails(capsys, 2, words, tmp_path / "all", "cannot be written")


def test_a_ladder_of_one_rung(tmp_path, data_dir, capsys, in_one_process):
    words = [*SMALL[:2], *on(tmp_path / "runs", data_dir), "--records", str(tmp_path / "records")]
    assert main(["ladder", "net1", *words, "--seeds", "1"]) == 0
    assert "mean of the last 5: " in capsys.readouterr().out
    head, column = lines_of(tmp_path / "records" / "net1.jsonl")
    assert len(column["test_accuracy"]) == 15
    assert head["command"].startswith("python -m tinytrain ladder net1 --seeds=1 ")


def test_exported_weights_are_those_that_count(run, tmp_path):
    assert main(["export", "--run-dir", str(run), "--output", str(tmp_path / "weights.pt")]) == 0
    state = torch.load(tmp_path / "weights.pt", weights_only=True)
    averaged = torch.load(run / "checkpoint.pt", weights_only=True)["state"]["ema"]["net"]
    assert state.keys() == averaged.keys()
    assert all(torch.equal(state[name], averaged[name]) for name in state)


def test_require_target_counts_not_judged_as_missed(tmp_path, data_dir, capsys):
    assert fails(capsys, 1, train(tmp_path / "run", data_dir, "--require-target"))


MISTAKES = {
    "a flag without a command": (["--seed=1"], 2, "COMMAND"),
    "a wrong command": (["trian"], 2, "train"),
    "a wrong flag": (["train", "--epoch", "3"], 2, "--epoch"),
    "a word too many": (["train", "more"], 2, "more"),
    "a wrong net": (["train", "--net", "net99"], 2, "net9_3"),
    "a wrong net to show": (["summary", "--net", "net99"], 2, "net9_3"),
    "a wrong recipe": (["train", "--recipe", "nothing"], 2, "recipe list"),
    "nearly a recipe": (["train", "--recipe", "refrence"], 2, "close to it: reference"),
    "a wrong data set": (["train", "--dataset", "cifar"], 2, "fashion-mnist"),
    "no epochs": (["train", "--epochs", "0"], 2, "--epochs"),
    "half an epoch": (["train", "--epochs", "0.5"], 2, "--epochs"),
    "seeds backwards": (["seeds", "--seeds", "5-1"], 2, "1-5,9"),
    "seeds that are none": (["seeds", "--seeds", "one"], 2, "--seeds"),
    "seeds without end": (["seeds", "--seeds", "1-"], 2, "1-5,9"),
    "dropout for a net without": (["train", "--net", "net7", "--dropout=0.1"], 2, "net7 has no"),
    "a wrong schedule": (["train", "--schedule", "cosine"], 2, "warmup-linear"),
    "fold nothing": (["train", "--fold", "0/5"], 2, "part 1 to 5"),
    "all folds at once": (["train", "--fold", "all/5"], 2, "part 1 to 5"),
    "a fold of one": (["seeds", "--fold", "all/1"], 2, "2 to 100"),
    "a fold and a holdout": (["train", *SMALL, "--fold=1/2", "--holdout=9"], 2, "200 of 400"),
    "three looks": (["train", "--tta", "3"], 2, "--tta"),
    "half upright": (["train", "--deskew", "half"], 2, "yes or no"),
    "more than all dropped": (["train", "--dropout", "1.5"], 2, "from 0 to 1"),
    "momentum for Adam": (["train", "--momentum", "0.9"], 2, "--momentum 0"),
    "a rate that is none": (["train", "--lr", "nan"], 2, "--lr"),
    "a rate beyond float32": (["train", "--lr", "1e39"], 2, "--lr"),
    "threads without end": (["train", "--threads", "3000000000"], 2, "--threads"),
    "more threads than start": (["train", "--threads", "1000000"], 2, "8 for each core"),
    "as many to evaluate": (["evaluate", "--threads", "1000000"], 2, "8 for each core"),
    "a device far away": (["train", "--device", f"cuda:{'1' * 5000}"], 2, "cuda:N"),
    "a device without a number": (["train", "--device", "cuda:x"], 2, "cuda:N"),
    "a folder of nobody": (["train", "--data-dir", "~nobody-here/x"], 2, "~nobody-here"),
    "a negative rate": (["train", "--lr=-1"], 2, "--lr"),
    "a negative seed": (["train", "--seed=-1"], 2, "--seed"),
    "no threads": (["train", "--threads", "0"], 2, "--threads"),
    "a device that is none": (["train", "--device", "gpu"], 2, "--device"),
    "a device to examine": (["doctor", "--device", "gpu"], 2, "--device"),
    "a holdout too large": (["train", *SMALL, "--holdout", "400"], 2, "399"),
    "nothing to resume": (["train", "--resume"], 2, "--run-dir"),
    "a folder without a run": (["train", "--resume", "--run-dir", "nowhere"], 3, "nowhere"),
    "a run to draw": (["plot", "nowhere"], 3, "nowhere"),
    "a run to evaluate": (["evaluate", "--run-dir", "nowhere"], 3, "nowhere"),
    "a run to show": (["course", "--run-dir", "nowhere"], 3, "nowhere"),
    "a run to export": (["export", "--run-dir", "nowhere"], 3, "nowhere"),
    "no run to export": (["export"], 2, "--run-dir"),
    "a format that is none": (["export", "--run-dir=x", "--format=onnx"], 2, "torch"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(mistake, data_dir, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TINYTRAIN_DATA", data_dir)
    unreachable(monkeypatch)
    monkeypatch.chdir(tmp_path)
    arguments, status, named = MISTAKES[mistake]
    assert fails(capsys, status, arguments, named)
    assert not list(tmp_path.iterdir())


SETTINGS = ["--lr=0.1", "--seed=1", "--batch-size=5", "--deskew", "--threads=1", "--recipe=final"]


@pytest.mark.parametrize("word", SETTINGS)
def test_a_setting_cannot_change_in_a_resumed_run(run, data_dir, capsys, word):
    assert fails(capsys, 2, [*resume(run, data_dir), word], word.partition("=")[0], "run.json")


def test_a_device_may_change_in_a_resumed_run(run, data_dir, capsys, tmp_path):
    assert main([*resume(run, data_dir), "--device", "cpu"]) == 0  # as it was
    assert "begun on" not in capsys.readouterr().out
    begun = replace(run_folder.read_settings(run), device="cuda")
    training = build.start(begun.recipe, begun.seed)
    run_folder.restore(run, replace(begun, device="cpu"), training)
    moved = tmp_path / "moved"
    run_folder.create(moved, begun, training, "")
    run_folder.save(moved, begun, training)
    assert fails(capsys, 2, resume(moved, data_dir), "was begun on cuda", "--device")
    assert main([*resume(moved, data_dir), "--device", "auto"]) == 0
    assert "begun on cuda and goes on on cpu: sums round differently" in capsys.readouterr().out
    assert run_folder.read_settings(moved) == begun


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
    options = parse(["train", f"{flag}={value}"])
    assert chosen_recipe(options) == replace(RECIPES["final"], **{field.name: value})
    assert options.given == {field.name}
    assert flag in parse(["train"]).parser.format_help()


@pytest.mark.parametrize("words", [["--deskew"], ["--deskew", "yes"], ["--deskew=1"]])
def test_a_switch_alone_or_with_its_value(words):
    assert parse(["train", *words]).deskew
    assert not parse(["train", "--deskew", "no"]).deskew


def test_a_used_run_folder(run, data_dir, capsys):
    assert fails(capsys, 2, train(run, data_dir), "--resume", "--run-dir")


def test_a_run_folder_that_cannot_be_written(tmp_path, data_dir, capsys):
    file = tmp_path / "file"
    file.write_text("not a folder")
    assert fails(capsys, 2, train(file / "run", data_dir), "another folder", file)


def test_a_damaged_data_file(tmp_path, data_dir, capsys):
    (tmp_path / "synthetic").mkdir()
    for path in Path(data_dir, "synthetic").iterdir():
        (tmp_path / "synthetic" / path.name).write_bytes(path.read_bytes()[:-1])
    assert fails(capsys, 3, train(tmp_path / "run", tmp_path), "train-images-idx3-ubyte")
    assert not (tmp_path / "run").exists()


def test_a_set_that_is_there_in_part(tmp_path, data_dir, capsys):
    (tmp_path / "synthetic").mkdir()
    for path in sorted(Path(data_dir, "synthetic").iterdir())[1:]:
        os.link(path, tmp_path / "synthetic" / path.name)
    assert fails(capsys, 3, train(tmp_path / "run", tmp_path), "t10k-images-idx3-ubyte missing")
    assert len(list((tmp_path / "synthetic").iterdir())) == 3


def test_a_reader_that_goes_away():
    command = [sys.executable, "-m", "tinytrain", "summary"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 0
    process.stderr.close()


def test_a_second_interrupt_says_how_to_go_on(tmp_path, data_dir, capsys, monkeypatch):
    monkeypatch.setattr(loop, "fit", Mock(side_effect=KeyboardInterrupt))
    run_dir = tmp_path / "run"
    assert fails(capsys, 130, train(run_dir, data_dir), "--resume", run_dir)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_under_the_output():
    command = [sys.executable, "-m", "tinytrain", "summary"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and one_line(done.stderr) and "no space left" in done.stderr


def test_a_diverging_run(tmp_path, data_dir, capsys):
    run_dir = tmp_path / "run"
    kept = f"{run_dir} keeps the run as it was before step 1 of epoch 1"
    assert fails(capsys, 4, train(run_dir, data_dir, "--lr", "1e30"), "epoch 1, step 50", kept)
    assert main(["evaluate", *on(run_dir, data_dir)]) == 0


@pytest.mark.parametrize("after", [5, 85])
def test_what_diverged_is_not_saved_by_an_interrupt(
    tmp_path, data_dir, capsys, monkeypatch, after
):
    """The loss is looked at every fiftieth step only, and the interrupt comes before that."""
    run_dir, fit = tmp_path / "run", loop.fit

    def interrupted(training, *others):
        for number, event in enumerate(fit(training, *others), 1):
            if number == after - 2:
                training.lr = 1e20
            if number == after:
                os.kill(os.getpid(), signal.SIGINT)
            yield event

    monkeypatch.setattr(loop, "fit", interrupted)
    epoch = 1 + after // 80
    kept = f"{run_dir} keeps the run as it was before step 1 of epoch {epoch}"
    assert fails(capsys, 4, train(run_dir, data_dir), "not finite", kept)
    assert len(history(run_dir)) == epoch - 1
    assert all(tensor.isfinite().all() for tensor in weights(run_dir))


def test_a_training_that_does_nothing_is_said_once(tmp_path, data_dir, capsys):
    words = train(tmp_path / "run", data_dir, "--recipe=net1", "--lr=1e-9", "--epochs=3")
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    said = [place for place, line in enumerate(lines) if line.startswith("WARNING: nothing is")]
    assert [lines[place - 2][:9] for place in said] == ["Test set:"]
    assert lines.index("Epoch 2") < said[0] < lines.index("Epoch 3")
    assert "that of guessing 2.2939; try another rate (--lr, now 1e-09)" in lines[said[0]]


def test_help_needs_neither_torch_nor_numpy():
    check = (
        "import sys\nfrom tinytrain.cli.main import COMMANDS, main\n"
        "main(['--help'])\n"
        "assert not any(f'tinytrain.cli.{name}' in sys.modules for name in COMMANDS)\n"
        "assert not any(main([name, '--help']) for name in COMMANDS)\n"
        "sys.exit(bool({'torch', 'numpy', 'tinytrain.course'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", check], stdout=subprocess.DEVNULL)
    assert done.returncode == 0


def test_without_a_word_there_is_help():
    shown = [
        subprocess.run([sys.executable, "-m", "tinytrain", *words], capture_output=True, text=True)
        for words in ([], ["--help"])
    ]
    assert [(one.returncode, one.stdout, one.stderr) for one in shown] == [
        (0, shown[1].stdout, "")
    ] * 2
    assert "exit status" in shown[0].stdout


def test_rooms_are_imported_when_they_are_asked_for():
    check = (
        "import sys, tinytrain; assert 'torch' not in sys.modules; "
        "assert set(tinytrain.ROOMS) < set(dir(tinytrain)); "
        "tinytrain.nn.Linear, tinytrain.data.load, tinytrain.nets.net9_3, tinytrain.train.fit; "
        "sys.exit(hasattr(tinytrain, 'nothing'))"
    )
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def unreachable(monkeypatch):
    """MNIST with a mirror that refuses connections."""
    source = replace(sources.SOURCES["mnist"], mirrors=("http://127.0.0.1:1/",))
    monkeypatch.setitem(sources.SOURCES, "mnist", source)


def test_no_mirror_answers(tmp_path, capsys, monkeypatch):
    unreachable(monkeypatch)
    named = ("127.0.0.1:1", "--dataset synthetic", "--data-dir")
    assert fails(capsys, 3, ["train", *on(tmp_path / "run", tmp_path)], *named)
    assert not (tmp_path / "run").exists()


def test_no_mirror_answers_or_synthetic(tmp_path, data_dir, capsys, monkeypatch):
    unreachable(monkeypatch)
    small = [word for word in train(tmp_path / "run", data_dir) if word not in SMALL[:2]]
    assert main([*small, "--or-synthetic"]) == 0
    output = capsys.readouterr()
    assert "127.0.0.1:1" in output.err
    assert output.out.startswith("THIS IS NOT MNIST")
    assert "not MNIST" in output.out.splitlines()[-2]
