"""Best trials of a study, trained again over other seeds."""

import json
import math
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from omegaconf import OmegaConf

from rnnexp.cli import main
from rnnexp.errors import NotFoundError
from rnnexp.objective import Objective
from rnnexp.reproduce.confirm import Confirmation
from rnnexp.reproduce.leaders import other_seeds
from rnnexp.storage.run_reader import RunReader
from rnnexp.storage.schema import Kind, Tags
from tests.helpers.commands import Command, Ended, metrics

pytestmark = pytest.mark.slow

HERE = OmegaConf.create({"_target_": "rnnexp.execution.executors.InProcessExecutor"})


@pytest.fixture(scope="module")
def swept(command: Command) -> Ended:
    """Two distinct params, one of them tried twice with another seed."""
    return command(
        "-m",
        "hydra.sweeper.study_name=s",
        "hydra.sweeper.n_trials=3",
        "hydra.sweeper.enqueue=["
        "{model.units:4,seed:0},{model.units:4,seed:1},{model.units:5,seed:0}]",
        "hydra.sweeper.params=null",
        "model.units=choice(4,5)",
        "seed=choice(0,1)",
        "pruner=none",
        "fit.epochs=1",
    )


@pytest.fixture(scope="module")
def reader(swept: Ended) -> RunReader:
    return RunReader(f"sqlite:///{swept.path}/mlflow.db")


@pytest.fixture(scope="module")
def confirmed(reader: RunReader) -> Confirmation:
    """Over two seeds, of the two distinct params that there are."""
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
        ({0, 2}, {1, 2}, 2, [1, 3]),  # the search was resumed, and used one of them
        (set(), set(), 2, [0, 1]),
    ],
)
def test_seeds_are_those_that_the_search_never_used(
    used: set[int], known: set[int], n: int, seeds: list[int]
) -> None:
    assert other_seeds(used, known, n) == seeds


def test_leaders_have_distinct_params_and_the_same_seeds(confirmed: Confirmation) -> None:
    units = sorted((leader.params for leader in confirmed.leaders), key=str)
    assert units == [{"model.units": "4"}, {"model.units": "5"}]
    assert confirmed.objective == Objective("val_loss", "min")
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
        assert run.info.run_name == f"units={leader.params['model.units']} seed={tags['seed']}"
        assert run.data.params == leader.params
        assert run.data.metrics["best_value"] == leader.values[int(tags["seed"])]
        config, original = reader.config(run), reader.config(leader.run)
        folders.add(Path(config.callbacks.model_checkpoint.filepath).parent)
        # Only the seed, the folder and the store differ.
        for each in (config, original):
            del each.callbacks.model_checkpoint.filepath, each.seed, each.tracking.uri
        assert config == original
        assert not any(name.startswith("test_") for name in run.data.metrics)
    assert len(folders) == 4
    assert {folder.parent.parent for folder in folders} == {swept.path / "multirun" / "s"}


def test_mlflow_shows_the_outcome(reader: RunReader, confirmed: Confirmation) -> None:
    study = reader.study("s")
    first = confirmed.leaders[0]
    assert study.data.metrics["confirm.mean"] == pytest.approx(first.mean)
    assert study.data.tags["confirm.verdict"] == confirmed.verdict()
    assert study.data.tags["confirm.survives"] == str(confirmed.survives).lower()
    for leader in confirmed.leaders:
        run = reader.client.get_run(leader.run.info.run_id)
        assert run.data.metrics["confirm.std"] == pytest.approx(leader.deviation)
        assert run.data.metrics["confirm.seeds"] == 2


def test_earlier_seeds_are_not_trained_again(reader: RunReader, confirmed: Confirmation) -> None:
    found = Confirmation(reader, reader.study("s"), top=2, seeds=3)
    assert found.seeds == [2, 3, 4]
    assert [seed for _, seed in found.pending] == [4, 4]
    invoked = invoke(reader, "s", "--top=3", "--seeds=2")
    assert invoked.exit_code == 0, invoked.output
    for text in (
        "the study has complete trials of only 2 different params",
        "2 trials, seeds 2, 3: 0 trainings, 4 were done before",
        f"{confirmed.leaders[0].mean:.4f}",
        f"The margin of trial {confirmed.leaders[0].trial} ",
        "with 2 seeds, 15% of the margins between equal params survive by chance.",
    ):
        assert text in invoked.output
    answer = json.loads(invoke(reader, "s", "--seeds=2", "--json").stdout)
    assert answer["seeds"] == [2, 3]
    assert answer["survives"] is confirmed.survives
    assert answer["leaders"][1]["values"] == {
        str(seed): value for seed, value in confirmed.leaders[1].values.items()
    }


@pytest.mark.usefixtures("confirmed")
def test_an_unknown_outcome_has_a_reason(reader: RunReader) -> None:
    study = reader.study("s")
    one = Confirmation(reader, study, top=2, seeds=1)
    assert (one.survives, one.pending) == (None, [])
    assert "it takes at least two seeds" in one.verdict()
    alone = Confirmation(reader, study, top=1, seeds=2)
    assert alone.survives is None
    assert "no trial with other params" in alone.verdict()


def test_studies_that_cant_be_confirmed(app: Command, reader: RunReader) -> None:
    assert "there is no study t" in invoke(reader, "t").output
    ended = app("-m", "hydra.sweeper.n_trials=1", "hydra.sweeper.study_name=one")
    other = RunReader(f"sqlite:///{ended.path}/mlflow.db")
    invoked = invoke(other, "one")
    assert invoked.exit_code == 1
    assert "by an application of your own" in invoked.output
    study = other.study("one")
    other.client.set_tag(other.run("one/0").info.run_id, "state", "FAIL")
    with pytest.raises(NotFoundError, match="study one has no trial to confirm"):
        Confirmation(other, study, top=3, seeds=5)
    other.client.delete_tag(study.info.run_id, "objective")
    with pytest.raises(NotFoundError, match="study one has no objective to compare its trials by"):
        Confirmation(other, other.study("one"), top=3, seeds=5)
    other.client.set_tag(study.info.run_id, "rnnexp.schema", "999")
    invoked = invoke(other, "one")
    assert invoked.exit_code == 1
    assert invoked.output.startswith("Error: study one has schema version 999, but this rnnexp ")
    assert invoked.output.count("\n") == 1


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
    invoked = invoke(reader, "s", "--seeds=2", "--n-jobs=2", "--json")
    assert invoked.exit_code == 0, invoked.output
    assert "4 of 4: trial " in invoked.stderr
    leaders = json.loads(invoked.stdout)["leaders"]
    assert [len(leader["values"]) for leader in leaders] == [2, 2]


@pytest.mark.usefixtures("confirmed")
def test_a_seed_that_diverged_earlier_counts_as_lost(reader: RunReader) -> None:
    study = reader.study("s")
    first, second = Confirmation(reader, study, top=2, seeds=2).leaders
    tags = {"study": "s", "seed": "4", "mlflow.parentRunId": study.info.run_id, "state": "FAIL"}
    for leader, value in ((first, math.nan), (second, 0.5)):  # the second one's worker died
        tags |= {Tags.CONFIRMS: leader.run.info.run_id, Tags.KIND: Kind.CONFIRMATION}
        run = reader.client.create_run(study.info.experiment_id, tags=tags)
        reader.client.log_metric(run.info.run_id, "loss", value)
        reader.client.set_terminated(run.info.run_id, "FAILED")
    found = Confirmation(reader, study, top=2, seeds=3)
    assert found.seeds == [2, 3, 4]
    assert [(leader.trial, seed) for leader, seed in found.pending] == [(second.trial, 4)]
    assert [leader.diverged for leader in found.leaders] == [{4}, set()]
    found.leaders[1].values[4] = 0.6
    assert found.survives is False
    assert f"Trial {first.trial} diverged with 1 of its 3 seeds" in found.verdict()


@pytest.mark.slow
def test_a_training_whose_worker_dies_is_retried_and_then_fails(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path.cwd() / "times"
    swept = command(
        "-m",
        "hydra.sweeper.study_name=s",
        "hydra.sweeper.n_trials=1",
        f"+callbacks.kill={{_target_:tests.helpers.failing.KillAsOftenAs,epoch:1,file:'{file}'}}",
    )
    assert swept.code == 0, swept.err
    monkeypatch.setattr(sys, "path", [*sys.path])
    reader = RunReader(f"sqlite:///{swept.path}/mlflow.db")
    file.write_text("3")
    invoked = invoke(reader, "s", "--trust", "--seeds=2", "--n-jobs=1")
    assert invoked.exit_code == 0, invoked.output
    assert file.read_text() == "0"
    runs = reader.confirmations(reader.study("s"))
    outcomes = {run.data.tags["seed"]: run for run in runs}
    first, second = (outcomes[seed] for seed in sorted(outcomes))
    assert len(runs) == 2
    assert (first.info.status, first.data.tags["state"]) == ("FAILED", "FAIL")
    assert first.data.tags["reason"] == "its worker process died"
    assert first.data.metrics["epochs"] == 1
    assert (second.info.status, second.data.tags["state"]) == ("FINISHED", "COMPLETE")
    assert [step for step, _ in metrics(swept, second, "val_loss")] == [0, 1]
