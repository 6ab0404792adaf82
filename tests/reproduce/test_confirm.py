"""The leaders of a study over other seeds."""

import json
import math
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from omegaconf import OmegaConf

from rnnexp.cli import main
from rnnexp.errors import NotFoundError
from rnnexp.reproduce.confirm import Confirmation, other_seeds
from rnnexp.storage.run_reader import RunReader
from tests.helpers.commands import Command, Ended

HERE = OmegaConf.create({"_target_": "rnnexp.execution.executors.InProcessExecutor"})


@pytest.fixture(scope="module")
def swept(command: Command) -> Ended:
    """Two settings, one of them tried twice with another seed."""
    return command(
        "-m",
        "hydra.sweeper.study_name=s",
        "hydra.sweeper.n_trials=3",
        "hydra.sweeper.repeat_seed=seed",
        "hydra.sweeper.enqueue=[{model.units:4},{model.units:4},{model.units:5}]",
        "hydra.sweeper.params=null",
        "model.units=choice(4,5)",
        "pruner=none",
        "fit.epochs=1",
    )


@pytest.fixture(scope="module")
def reader(swept: Ended) -> RunReader:
    reader = RunReader(f"sqlite:///{swept.path}/mlflow.db")
    for run, seed in zip(reader.trials(reader.study("s")), (0, 1, 0), strict=True):
        reader.client.set_tag(run.info.run_id, "seed", seed)
    return reader


@pytest.fixture(scope="module")
def confirmed(reader: RunReader) -> Confirmation:
    """Over two seeds, and no more settings than there are."""
    found = Confirmation(reader, reader.study("s"), top=3, seeds=2)
    assert len(list(found.run(HERE))) == 4
    found.write()
    return found


def invoke(reader: RunReader, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["confirm", *arguments, f"--tracking-uri={reader.uri}"])


@pytest.mark.parametrize(
    ("used", "known", "n", "seeds"),
    [
        ({0}, set(), 3, [1, 2, 3]),
        ({0, 1, 7}, set(), 2, [8, 9]),
        ({0}, {1, 2}, 3, [1, 2, 3]),
        ({0}, {1, 2, 3}, 2, [1, 2]),
        ({0, 2}, {1, 2}, 2, [1, 3]),  # the search went on, and used one of them
    ],
)
def test_seeds_are_those_that_the_search_never_used(
    used: set[int], known: set[int], n: int, seeds: list[int]
) -> None:
    assert other_seeds(used, known, n) == seeds


def test_leaders_are_distinct_settings_over_the_same_seeds(confirmed: Confirmation) -> None:
    assert sorted(one.run.data.params["model.units"] for one in confirmed.leaders) == ["4", "5"]
    assert confirmed.leaders[0].searched < confirmed.leaders[1].searched
    assert confirmed.seeds == [2, 3]
    for leader in confirmed.leaders:
        first, second = leader.values[2], leader.values[3]
        assert len({first, second, leader.searched}) == 3
        assert leader.mean == pytest.approx((first + second) / 2)
        assert leader.deviation == pytest.approx(abs(first - second) / math.sqrt(2))


def test_each_is_a_run_nested_under_the_study(
    reader: RunReader, confirmed: Confirmation, swept: Ended
) -> None:
    study = reader.study("s")
    runs = reader.confirmations(study)
    assert len(runs) == 4
    assert len(reader.trials(study)) == 3
    folders = set()
    for run in runs:
        tags = run.data.tags
        leader = next(x for x in confirmed.leaders if x.run.info.run_id == tags["confirms"])
        assert tags["mlflow.parentRunId"] == study.info.run_id
        assert (tags["study"], tags["state"]) == ("s", "COMPLETE")
        assert "trial" not in tags
        assert run.info.run_name == f"{leader.run.info.run_name} seed={tags['seed']}"
        assert run.data.metrics["best_value"] == leader.values[int(tags["seed"])]
        config, was = reader.config(run), reader.config(leader.run)
        folders.add(Path(config.callbacks.model_checkpoint.filepath).parent)
        # Only the seed, the folder, and the store are others.
        for other in (config, was):
            del other.callbacks.model_checkpoint.filepath, other.seed, other.tracking.uri
        assert config == was
        assert not any(name.startswith("test_") for name in run.data.metrics)
    assert len(folders) == 4
    assert {folder.parent.parent for folder in folders} == {swept.path / "multirun" / "s"}


def test_mlflow_shows_what_came_out(reader: RunReader, confirmed: Confirmation) -> None:
    study = reader.study("s")
    first = confirmed.leaders[0]
    assert study.data.metrics["confirm.mean"] == pytest.approx(first.mean)
    assert study.data.tags["confirm.verdict"] == confirmed.verdict()
    assert study.data.tags["confirm.survives"] == str(confirmed.survives).lower()
    for leader in confirmed.leaders:
        run = reader.client.get_run(leader.run.info.run_id)
        assert run.data.metrics["confirm.std"] == pytest.approx(leader.deviation)
        assert run.data.metrics["confirm.seeds"] == 2


def test_what_is_there_is_not_trained_again(reader: RunReader, confirmed: Confirmation) -> None:
    found = Confirmation(reader, reader.study("s"), top=2, seeds=3)
    assert found.seeds == [2, 3, 4]
    assert [seed for _, seed in found.left] == [4, 4]
    told = invoke(reader, "s", "--top=3", "--seeds=2")
    assert told.exit_code == 0, told.output
    for text in (
        "there are no more than 2 complete settings",
        "2 settings over seeds 2, 3: 0 trainings, 4 are there already",
        f"{confirmed.leaders[0].mean:.4f}",
        f"The lead of trial {confirmed.leaders[0].trial} ",
        "with 2 seeds 15% of equal settings look so",
    ):
        assert text in told.output
    answer = json.loads(invoke(reader, "s", "--seeds=2", "--json").stdout)
    assert answer["seeds"] == [2, 3]
    assert answer["survives"] is confirmed.survives
    assert answer["leaders"][1]["values"] == {
        str(seed): value for seed, value in confirmed.leaders[1].values.items()
    }


@pytest.mark.usefixtures("confirmed")
def test_what_cant_be_told_is_said(reader: RunReader) -> None:
    study = reader.study("s")
    one = Confirmation(reader, study, top=2, seeds=1)
    assert (one.survives, one.left) == (None, [])
    assert "it takes two seeds at least" in one.verdict()
    alone = Confirmation(reader, study, top=1, seeds=2)
    assert alone.survives is None
    assert "no other complete setting" in alone.verdict()


def test_studies_that_cant_be_confirmed(app: Command, reader: RunReader) -> None:
    assert "there is no study t" in invoke(reader, "t").output
    ended = app("-m", "hydra.sweeper.n_trials=1", "hydra.sweeper.study_name=one")
    other = RunReader(f"sqlite:///{ended.path}/mlflow.db")
    told = invoke(other, "one")
    assert told.exit_code == 1
    assert "by an application of your own" in told.output
    study = other.study("one")
    other.client.set_tag(other.run("one/0").info.run_id, "state", "FAIL")
    with pytest.raises(NotFoundError, match="study one has no complete trial"):
        Confirmation(other, study, top=3, seeds=5)


@pytest.mark.slow
def test_the_command_trains_on_workers(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    swept = command(
        "-m",
        "hydra.sweeper.study_name=s",
        "hydra.sweeper.n_trials=2",
        "fit.epochs=1",
        "model.units=choice(4,5)",
        "hydra.sweeper.params=null",
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    reader = RunReader(f"sqlite:///{swept.path}/mlflow.db")
    told = invoke(reader, "s", "--seeds=2", "--n-jobs=2", "--json")
    assert told.exit_code == 0, told.output
    assert "4 of 4: trial " in told.stderr
    leaders = json.loads(told.stdout)["leaders"]
    assert [len(leader["values"]) for leader in leaders] == [2, 2]
