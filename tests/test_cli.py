"""The command line as a user meets it: output, exit status, one line for every mistake."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from tinytrain.cli.flags import completed
from tinytrain.cli.inputs import chosen_recipe
from tinytrain.cli.parser import main, parser
from tinytrain.data import sets, sources, synthetic
from tinytrain.recipes import RECIPES, Recipe
from tinytrain.train import loop

SMALL = ["--dataset", "synthetic", "--epochs", "2", "--batch-size", "5", "--threads", "1"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A data root with 400 + 50 drawn digits."""
    root = tmp_path_factory.mktemp("data")
    (root / "synthetic").mkdir()
    synthetic.write_files(root / "synthetic", train=400, test=50)
    return str(root)


@pytest.fixture(autouse=True)
def threads():
    """Commands set the number of threads; put it back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def train(run_dir, data_dir, *more):
    return ["train", *SMALL, "--data-dir", data_dir, "--run-dir", str(run_dir), *more]


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def history(run_dir):
    return [line | {"seconds": 0} for line in lines_of(run_dir / "history.jsonl")]


def weights(run_dir):
    state = torch.load(run_dir / "checkpoint.pt", weights_only=True)["state"]
    return [*state["net"].values(), *state["average"]["net"].values()]


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


def test_repeated_exactly_by_what_run_json_says(run, tmp_path, data_dir):
    command = json.loads((run / "run.json").read_text())["command"]
    assert command.startswith("python -m tinytrain train --dataset synthetic")
    assert main(train(tmp_path / "run", data_dir)) == 0
    assert history(tmp_path / "run") == history(run)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_stopped_in_an_epoch_and_resumed(run, tmp_path, data_dir, how):
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "tinytrain", *train(folder, data_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line == "Epoch 2\n":
            process.send_signal(how)
            break
    _, errors = process.communicate()
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert errors.count("\n") == 1 and f"train --resume --run-dir {folder}" in errors
    assert len(history(folder)) == 1
    resume = ["train", "--resume", "--run-dir", str(folder), "--data-dir", data_dir]
    assert main(resume) == 0
    assert history(folder) == history(run)
    assert all(torch.equal(a, b) for a, b in zip(weights(folder), weights(run), strict=True))


def test_resuming_a_finished_run_prints_its_verdict(run, data_dir, capsys):
    before = history(run)
    assert main(["train", "--resume", "--run-dir", str(run), "--data-dir", data_dir]) == 0
    assert "Verdict" in capsys.readouterr().out
    assert history(run) == before


def test_evaluate_repeats_the_last_line(run, data_dir, capsys):
    assert main(["evaluate", "--run-dir", str(run), "--data-dir", data_dir]) == 0
    last = history(run)[-1]
    assert f"{last['test_correct']}/50 ({last['test_accuracy']:.2f}%)" in capsys.readouterr().out


def test_an_upright_run_stays_upright(run, tmp_path, data_dir, capsys, monkeypatch):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main(train(whole, data_dir, "--recipe", "upright")) == 0
    with monkeypatch.context() as patch:
        patch.setattr("tinytrain.cli.train.Stop.requested", True)
        assert main(train(stopped, data_dir, "--recipe", "upright")) == 130
    assert main(["train", "--resume", "--run-dir", str(stopped), "--data-dir", data_dir]) == 0
    assert history(stopped) == history(whole) != history(run)
    capsys.readouterr()
    assert main(["evaluate", "--run-dir", str(whole), "--data-dir", data_dir]) == 0
    last = history(whole)[-1]
    assert f"loss: {last['test_loss']:.4f}" in capsys.readouterr().out
    assert main(["export", "--run-dir", str(whole), "--output", str(tmp_path / "it.pt")]) == 0
    assert "upright" in capsys.readouterr().out


def test_evaluate_wants_the_images_of_the_run(run, tmp_path, capsys):
    (tmp_path / "synthetic").mkdir()
    synthetic.write_files(tmp_path / "synthetic", seed=1, train=400, test=50)
    assert main(["evaluate", "--run-dir", str(run), "--data-dir", str(tmp_path)]) == 3
    assert one_line(capsys.readouterr().err)


def test_a_history_that_lost_a_line_is_mended(run, data_dir, capsys):
    before = (run / "history.jsonl").read_text()
    (run / "history.jsonl").write_text(before.splitlines()[0] + "\n")
    assert main(["train", "--resume", "--run-dir", str(run), "--data-dir", data_dir]) == 0
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
    assert "conv2.8          8     2    6.5     18     6 to 23     6 to 23" in output


def test_seeds_are_trained_once_and_told_together(tmp_path, data_dir, capsys):
    few = ["seeds", *SMALL[:-2], "--data-dir", data_dir, "--run-dir", str(tmp_path / "all")]
    assert main([*few, "--seeds", "1,3"]) == 0
    shown = capsys.readouterr().out
    assert "over 2 seeds" in shown and "not judged (the digits were drawn" in shown
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
    del older["recipe"]["deskew"], older["recipe"]["looks"]
    (tmp_path / "all" / "seed-1" / "run.json").write_text(json.dumps(older))
    assert main([*few, "--seeds", "1-3"]) == 0
    assert (tmp_path / "all" / "record.jsonl").read_bytes() == before
    capsys.readouterr()
    assert main([*few, "--lr", "0.5"]) == 2
    assert one_line(capsys.readouterr().err)


def test_plot(run, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    assert main(["plot", str(run), "--output", str(tmp_path / "curves.svg")]) == 0
    assert (tmp_path / "curves.svg").read_text().startswith("<?xml")
    assert main(["plot", str(run), "--output", str(tmp_path / "curves.nothing")]) == 2
    assert one_line(capsys.readouterr().err)


PICTURES = ("mistakes", "confusion", "filters", "strokes", "shapes", "augmentation")


@pytest.mark.parametrize("picture", PICTURES)
def test_gallery(run, data_dir, tmp_path, picture):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    output = tmp_path / "picture.png"
    words = ["--run-dir", str(run), "--data-dir", data_dir, "--output", str(output)]
    assert main(["gallery", picture, *words]) == 0
    assert output.read_bytes().startswith(b"\x89PNG")


def test_gallery_of_a_net_with_nothing_to_show(tmp_path, data_dir, capsys):
    assert main([*train(tmp_path / "run", data_dir), "--net", "net1"]) == 0
    words = ["--run-dir", str(tmp_path / "run"), "--data-dir", data_dir]
    words += ["--output", str(tmp_path / "picture.png")]
    capsys.readouterr()
    for picture, status in (("filters", 2), ("strokes", 2), ("confusion", 0)):
        pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
        assert main(["gallery", picture, *words]) == status
        assert status == 0 or one_line(capsys.readouterr().err)


def test_seeds_save_what_was_interrupted(tmp_path, data_dir):
    words = ["seeds", *SMALL[:2], "--batch-size", "1", "--data-dir", data_dir, "--seeds", "1"]
    command = [sys.executable, "-m", "tinytrain", *words, "--run-dir", str(tmp_path / "all")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "all" / "seed-1.log"
    while process.poll() is None and not (log.exists() and "Epoch 1" in log.read_text()):
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and errors.endswith("tinytrain: interrupted\n")
    state = torch.load(tmp_path / "all" / "seed-1" / "checkpoint.pt", weights_only=True)["state"]
    assert (state["epoch"], state["batch"]) > (1, 0)


def test_a_ladder_of_one_rung(tmp_path, data_dir, capsys):
    words = ["--dataset", "synthetic", "--data-dir", data_dir, "--run-dir", str(tmp_path / "runs")]
    words += ["--records", str(tmp_path / "records"), "--seeds", "1"]
    assert main(["ladder", "net1", *words]) == 0
    assert "mean of the last 5: " in capsys.readouterr().out
    head, column = lines_of(tmp_path / "records" / "net1.jsonl")
    assert len(column["test_accuracy"]) == 15
    assert head["command"].startswith("python -m tinytrain ladder net1 --seeds=1 ")


def test_exported_weights_are_those_that_count(run, tmp_path):
    assert main(["export", "--run-dir", str(run), "--output", str(tmp_path / "weights.pt")]) == 0
    state = torch.load(tmp_path / "weights.pt", weights_only=True)
    averaged = torch.load(run / "checkpoint.pt", weights_only=True)["state"]["average"]["net"]
    assert state.keys() == averaged.keys()
    assert all(torch.equal(state[name], averaged[name]) for name in state)


def test_require_target_counts_not_judged_as_missed(tmp_path, data_dir, capsys):
    assert main(train(tmp_path / "run", data_dir, "--require-target")) == 1
    assert one_line(capsys.readouterr().err)


def one_line(errors):
    return errors.startswith("tinytrain: ") and errors.count("\n") == 1


MISTAKES = {
    "no command": ([], 2, "COMMAND"),
    "a wrong command": (["trian"], 2, "train"),
    "a wrong flag": (["train", "--epoch", "3"], 2, "--epoch"),
    "a word too many": (["train", "more"], 2, "more"),
    "a wrong net": (["train", "--net", "net99"], 2, "net9_3"),
    "a wrong net to show": (["summary", "--net", "net99"], 2, "net9_3"),
    "a wrong recipe": (["train", "--recipe", "nothing"], 2, "reference"),
    "a wrong data set": (["train", "--dataset", "cifar"], 2, "fashion-mnist"),
    "no epochs": (["train", "--epochs", "0"], 2, "--epochs"),
    "half an epoch": (["train", "--epochs", "0.5"], 2, "--epochs"),
    "seeds backwards": (["seeds", "--seeds", "5-1"], 2, "1-5,9"),
    "seeds that are none": (["seeds", "--seeds", "one"], 2, "--seeds"),
    "dropout for a net without": (["train", "--net", "net7", "--dropout=0.1"], 2, "net7 has no"),
    "a wrong schedule": (["train", "--schedule", "cosine"], 2, "warmup-linear"),
    "three looks": (["train", "--looks", "3"], 2, "--looks"),
    "half upright": (["train", "--deskew", "half"], 2, "yes or no"),
    "more than all dropped": (["train", "--dropout", "1.5"], 2, "from 0 to 1"),
    "momentum for Adam": (["train", "--momentum", "0.9"], 2, "--momentum 0"),
    "a rate that is none": (["train", "--lr", "nan"], 2, "--lr"),
    "a rate beyond float32": (["train", "--lr", "1e39"], 2, "--lr"),
    "threads without end": (["train", "--threads", "3000000000"], 2, "--threads"),
    "a device without a number": (["train", "--device", "cuda:x"], 2, "cuda:N"),
    "a folder of nobody": (["train", "--data-dir", "~nobody-here/x"], 2, "~nobody-here"),
    "a negative rate": (["train", "--lr=-1"], 2, "--lr"),
    "a negative seed": (["train", "--seed=-1"], 2, "--seed"),
    "no threads": (["train", "--threads", "0"], 2, "--threads"),
    "a device that is none": (["train", "--device", "gpu"], 2, "--device"),
    "a holdout too large": (["train", *SMALL, "--holdout", "400"], 2, "399"),
    "nothing to resume": (["train", "--resume"], 2, "--run-dir"),
    "a folder without a run": (["train", "--resume", "--run-dir", "nowhere"], 3, "nowhere"),
    "a run to draw": (["plot", "nowhere"], 3, "nowhere"),
    "a run to evaluate": (["evaluate", "--run-dir", "nowhere"], 3, "nowhere"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(mistake, data_dir, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TINYTRAIN_DATA", data_dir)
    unreachable(monkeypatch)
    monkeypatch.chdir(tmp_path)
    arguments, status, named = MISTAKES[mistake]
    assert main(arguments) == status
    errors = capsys.readouterr().err
    assert one_line(errors) and named in errors
    assert not list(tmp_path.iterdir())


SETTINGS = ["--lr=0.1", "--seed=1", "--batch-size=5", "--deskew", "--threads=1", "--recipe=final"]


@pytest.mark.parametrize("word", SETTINGS)
def test_a_setting_cannot_change_in_a_resumed_run(run, data_dir, capsys, word):
    resume = ["train", "--resume", "--run-dir", str(run), "--data-dir", data_dir]
    assert main([*resume, word]) == 2
    errors = capsys.readouterr().err
    assert one_line(errors) and word.partition("=")[0] in errors and "run.json" in errors


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
    options = parser().parse_args(["train", f"{flag}={value}"])
    assert chosen_recipe(completed(options)) == replace(RECIPES["final"], **{field.name: value})
    assert completed(options).given == {field.name}
    assert flag in parser().parse_args(["train"]).parser.format_help()


@pytest.mark.parametrize("words", [["--deskew"], ["--deskew", "yes"], ["--deskew=1"]])
def test_a_switch_alone_or_with_its_value(words):
    assert parser().parse_args(["train", *words]).deskew
    assert not parser().parse_args(["train", "--deskew", "no"]).deskew


def test_a_used_run_folder(run, data_dir, capsys):
    assert main(train(run, data_dir)) == 2
    errors = capsys.readouterr().err
    assert one_line(errors) and "--resume" in errors and "--run-dir" in errors


def test_a_run_folder_that_cannot_be_written(tmp_path, data_dir, capsys):
    (tmp_path / "file").write_text("not a folder")
    assert main(train(tmp_path / "file" / "run", data_dir)) == 2
    errors = capsys.readouterr().err
    assert one_line(errors) and "another folder" in errors and str(tmp_path / "file") in errors


def test_a_damaged_data_file(tmp_path, data_dir, capsys):
    (tmp_path / "synthetic").mkdir()
    for path in sets.data_root(data_dir).joinpath("synthetic").iterdir():
        content = path.read_bytes()
        (tmp_path / "synthetic" / path.name).write_bytes(content[:-1])
    assert main(train(tmp_path / "run", str(tmp_path))) == 3
    errors = capsys.readouterr().err
    assert one_line(errors) and "train-images-idx3-ubyte" in errors
    assert not (tmp_path / "run").exists()


def test_a_set_that_is_there_in_part(tmp_path, data_dir, capsys):
    (tmp_path / "synthetic").mkdir()
    for path in sorted(sets.data_root(data_dir).joinpath("synthetic").iterdir())[1:]:
        os.link(path, tmp_path / "synthetic" / path.name)
    assert main(train(tmp_path / "run", str(tmp_path))) == 3
    assert "t10k-images-idx3-ubyte missing" in capsys.readouterr().err
    assert len(list((tmp_path / "synthetic").iterdir())) == 3


def test_a_reader_that_goes_away():
    command = [sys.executable, "-m", "tinytrain", "summary"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 0
    process.stderr.close()


def test_a_second_interrupt_says_how_to_go_on(tmp_path, data_dir, capsys, monkeypatch):
    monkeypatch.setattr(loop, "fit", interrupted)
    assert main(train(tmp_path / "run", data_dir)) == 130
    error = capsys.readouterr().err
    assert one_line(error) and "--resume" in error and str(tmp_path / "run") in error


def interrupted(*arguments):
    raise KeyboardInterrupt


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_under_the_output():
    command = [sys.executable, "-m", "tinytrain", "summary"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and one_line(done.stderr) and "no space left" in done.stderr


def test_a_diverging_run(tmp_path, data_dir, capsys):
    assert main(train(tmp_path / "run", data_dir, "--lr", "1e30")) == 4
    assert one_line(capsys.readouterr().err)


def test_help_needs_neither_torch_nor_numpy():
    check = (
        "import sys, tinytrain.cli.parser; tinytrain.cli.parser.parser().format_help(); "
        "sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def unreachable(monkeypatch):
    """MNIST with a mirror that refuses connections."""
    source = sources.SOURCES["mnist"]
    monkeypatch.setitem(
        sources.SOURCES, "mnist", replace(source, mirrors=("http://127.0.0.1:1/",))
    )


def test_no_mirror_answers(tmp_path, capsys, monkeypatch):
    unreachable(monkeypatch)
    assert main(["train", "--data-dir", str(tmp_path), "--run-dir", str(tmp_path / "run")]) == 3
    errors = capsys.readouterr().err
    assert one_line(errors) and "127.0.0.1:1" in errors
    assert "--dataset synthetic" in errors and "--data-dir" in errors
    assert not (tmp_path / "run").exists()


def test_no_mirror_answers_or_synthetic(tmp_path, data_dir, capsys, monkeypatch):
    unreachable(monkeypatch)
    small = [word for word in train(tmp_path / "run", data_dir) if word not in SMALL[:2]]
    assert main([*small, "--or-synthetic"]) == 0
    output = capsys.readouterr()
    assert "127.0.0.1:1" in output.err
    assert output.out.startswith("THIS IS NOT MNIST")
    assert "not MNIST" in output.out.splitlines()[-2]
