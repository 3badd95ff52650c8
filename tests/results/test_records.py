"""Records: kept whole, stale with another recipe or net, refused when damaged; the weights."""

from dataclasses import replace

import pytest
import torch

from tinytrain import nets, streams
from tinytrain.cli.export import as_state_dict
from tinytrain.course import ladder
from tinytrain.errors import DataError, UsageError
from tinytrain.recipes import LADDER, RECIPES, build
from tinytrain.results import records, trained_run
from tinytrain.runs import run_folder
from tinytrain.train import Epoch


def net_of(name):
    return nets.build(RECIPES[name].net, generator=streams.generator(3, "weights"))


@pytest.mark.parametrize(
    "name", [name for name in RECIPES if name in LADDER or records.read_record(name)]
)
def test_every_record_is_of_the_present_net_and_recipe(name):
    record = records.read_record(name)
    assert record is not None and record.is_of(RECIPES[name]), f"measure {name} again"
    assert (record.dataset, record.holdout) == ("mnist", 0)


def test_a_fingerprint_is_of_the_net_alone():
    prints = {name: records.fingerprint(ladder.net_of(RECIPES[name])) for name in RECIPES}
    assert prints["net8"] == prints["net8_1"]
    assert len({*prints.values()}) == len({recipe.net for recipe in RECIPES.values()})


def test_collected_runs_are_of_one_kind_and_come_back(tmp_path):
    recipe = replace(RECIPES["net1"], epochs=1)
    for seed, threads in ((1, 1), (2, 1), (3, 2)):
        settings = run_folder.Settings(recipe, "mnist", "0", 0.13, 0.31, 0, seed, "cpu", threads)
        training = build.start(recipe, seed)
        training.history.append(Epoch(1, 0.1, 0.123456, 90.0, 0.1, 9, 10, 90.0, 80.0, seed / 8))
        run_folder.create(tmp_path / f"seed-{seed}", settings, training, "train")
    record = records.collect([tmp_path / "seed-1", tmp_path / "seed-2"], "seeds")
    assert record.is_of(recipe) and (record.dataset, record.threads) == ("mnist", 1)
    assert record.column("train_loss") == [[0.1235]] * 2
    assert record.column("seconds") == [[0.125], [0.25]]
    records.write_record(tmp_path / "both.jsonl", record)
    assert records.read_record("both", tmp_path) == record
    with pytest.raises(UsageError, match="seed-3: other threads than .*seed-1;"):
        records.collect([tmp_path / "seed-1", tmp_path / "seed-3"], "seeds")


def test_a_stale_record_counts_as_not_measured(tmp_path):
    record = records.read_record("net7")
    for change in ({}, {"fingerprint": "0" * 16}, {"recipe": replace(record.recipe, lr=1.0)}):
        records.write_record(tmp_path / "net7.jsonl", replace(record, **change))
        current = records.read_current("net7", RECIPES["net7"], tmp_path)
        assert (current is not None) == (not change)


def test_a_record_with_the_former_names_of_fields_is_read(tmp_path):
    """As those beside the course are, which were measured before the names changed."""
    record = records.read_record("five-looks")
    assert (record.recipe.tta, record.recipe.ema) == (5, 0.996)
    path = tmp_path / "five-looks.jsonl"
    records.write_record(path, record)
    for old, new in (("average", "ema"), ("looks", "tta")):
        path.write_text(path.read_text().replace(f'"{new}"', f'"{old}"'))
    assert records.read_record("five-looks", tmp_path) == record


def test_a_damaged_record(tmp_path):
    path = tmp_path / "net7.jsonl"
    records.write_record(path, records.read_record("net7"))
    text = path.read_text()
    damaged = ["", "[]", "{}", '{"recipe": {}}', text[:-9], text.splitlines()[0]]
    damaged += [text.replace('"train_loss": [', '"train_loss": [1, ', 1)]
    damaged += [text.replace(*words) for words in (('"lr"', '"rate"'), ("seconds", "time"))]
    for content in [*damaged, text.replace("machine", "place")]:
        path.write_text(content)
        with pytest.raises(DataError, match=r"net7\.jsonl"):
            records.read_record("net7", tmp_path)


def test_weights_come_back_as_they_were(tmp_path, monkeypatch):
    net = net_of("final")
    (tmp_path / "weights.pt").write_bytes(as_state_dict(net))
    monkeypatch.setattr(trained_run, "FINAL", tmp_path / "weights.pt")
    again = trained_run.load_run().net.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"weights", None, "net7"])
def test_published_weights_damaged_missing_or_of_another_net(tmp_path, monkeypatch, content):
    path = tmp_path / "weights.pt"
    if content is not None:
        path.write_bytes(as_state_dict(net_of(content)) if content == "net7" else content)
    monkeypatch.setattr(trained_run, "FINAL", path)
    with pytest.raises(DataError, match=r"weights\.pt"):
        trained_run.load_run()
