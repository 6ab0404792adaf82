"""Trials of several trainings: whole sweeps with folds and repeats, read back from their stores."""

import json
import re
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pytest
from click.testing import CliRunner
from omegaconf import DictConfig, OmegaConf

from rnnexp import data
from rnnexp.cli import main
from rnnexp.identity import Identity
from rnnexp.objective import settle_mode
from rnnexp.reproduce.confirm import Confirmation
from rnnexp.reproduce.replay import replay
from rnnexp.storage.run_reader import RunReader
from rnnexp.training.averaging import average, build_to_use
from rnnexp.training.checkpoint import load_file
from rnnexp.training.folds import stages_of
from rnnexp.training.model import build
from tests.helpers.commands import Command, Ended, metrics

pytestmark = pytest.mark.slow

FOLDS, EPOCHS = 3, 3
HERE = OmegaConf.create({"_target_": "rnnexp.execution.executors.InProcessExecutor"})
RATE = "compile.optimizer.learning_rate"


@pytest.fixture(scope="module")
def swept(command: Command) -> Ended:
    """Two trials: one that learns, and one that gets worse and worse, and is pruned by folds."""
    return command(
        "-m", "deterministic=true", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=2",
        "hydra.sweeper.n_jobs=1", f"fit.folds={FOLDS}", f"fit.epochs={EPOCHS}",
        "callbacks=[early_stopping,model_checkpoint,csv_logger]", "hydra.sweeper.params=null",
        f"{RATE}=choice(0.01,10.0)", f"hydra.sweeper.enqueue=[{{{RATE}:0.01}},{{{RATE}:10.0}}]",
    )  # fmt: skip


@pytest.fixture
def reader(swept: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunReader:
    monkeypatch.chdir(tmp_path)
    return RunReader(f"sqlite:///{swept.path}/mlflow.db")


def bests(swept: Ended, number: int, folds: int = FOLDS) -> list[tuple[int, float]]:
    """Return the best epoch and its value of each fold of a trial, as MLflow has them."""
    run = swept.runs()[1 + number]
    curves = [metrics(swept, run, f"fold_{n}/val_loss") for n in range(folds)]
    assert [[step for step, _ in curve] for curve in curves] == [list(range(EPOCHS))] * folds
    return [min(curve, key=lambda point: point[1]) for curve in curves]


@pytest.mark.parametrize(
    ("fit", "names"),
    [
        ({}, []),
        ({"folds": None, "repeats": None}, []),
        ({"folds": 3}, ["fold_0", "fold_1", "fold_2"]),
        ({"repeats": 2}, ["repeat_0", "repeat_1"]),
    ],
)
def test_names_and_seeds_of_the_trainings(fit: dict[str, int | None], names: list[str]) -> None:
    def stages(seed: int) -> list[int]:
        found = stages_of(OmegaConf.create({"fit": fit, "seed": seed}))
        assert [stage.name for stage in found] == names
        return [stage.seed for stage in found]

    seeds = stages(7)
    assert seeds == stages(7)
    assert seeds[:1] == [7] * bool(names)  # so that the first training is that of one training
    assert len({*seeds, *stages(8)}) == 2 * len(names)


def test_a_trials_value_is_the_mean_of_its_folds(swept: Ended) -> None:
    assert swept.code == 0, swept.err
    trial, run = swept.study("s").trials[0], swept.runs()[1]
    values = [value for _, value in bests(swept, 0)]
    means = [total / n for n, total in enumerate(accumulate(values), start=1)]
    assert trial.state.name == run.data.tags["state"] == "COMPLETE"
    assert list(trial.intermediate_values) == list(range(FOLDS))
    assert list(trial.intermediate_values.values()) == pytest.approx(means)
    assert metrics(swept, run, "val_loss") == list(trial.intermediate_values.items())
    assert trial.value == pytest.approx(fmean(values))
    found = run.data.metrics
    assert found["best_value"] == trial.value
    assert found["best_value_std"] == pytest.approx(stdev(values))
    assert found["trainings"] == FOLDS
    assert found["best_epoch"] == round(fmean(epoch for epoch, _ in bests(swept, 0)))
    stored = trial.user_attrs["result"]
    assert (stored["std"], stored["trainings"]) == (found["best_value_std"], FOLDS)
    identity = Identity.parse(run.data.tags["identity"])
    assert identity.validation == "3 folds of the rows in the order of data.seed=0"


def test_a_trial_that_is_behind_is_pruned_after_its_first_folds(swept: Ended) -> None:
    trial, run = swept.study("s").trials[1], swept.runs()[2]
    assert trial.state.name == run.data.tags["state"] == "PRUNED"
    values = [value for _, value in bests(swept, 1, 2)]
    assert trial.intermediate_values == pytest.approx({0: values[0], 1: fmean(values)})
    assert run.data.metrics["best_value"] == pytest.approx(fmean(values))
    assert run.data.metrics["trainings"] == 2
    assert run.data.metrics["epochs"] == 2 * EPOCHS
    assert run.data.tags["reason"].startswith("val_loss pruned after fold_1: ")
    assert "best of 1 peer" in run.data.tags["reason"]
    assert not [name for name in run.data.metrics if name.startswith(("fold_2/", "refit/"))]
    assert "checkpoint" not in run.data.tags


def test_the_winner_is_trained_on_the_whole_training_part(swept: Ended) -> None:
    parent, run, _ = swept.runs()
    epochs = int(run.data.metrics["best_epoch"]) + 1
    assert [step for step, _ in metrics(swept, run, "refit/loss")] == list(range(epochs))
    assert not metrics(swept, run, "refit/val_loss")
    assert run.data.metrics["epochs"] == FOLDS * EPOCHS + epochs
    assert run.data.tags["checkpoint"] == "checkpoint/refit.keras"
    artifacts = {item.path for item in swept.client.list_artifacts(run.info.run_id)}
    assert {"checkpoint", "fold_0", "fold_1", "fold_2", "refit"} <= artifacts
    table = swept.client.download_artifacts(run.info.run_id, "fold_2/epochs.csv")
    assert len(Path(table).read_text().splitlines()) == 1 + EPOCHS
    folder = swept.path / "multirun" / "s" / "0"
    assert {file.name for file in folder.glob("*.keras")} == {"refit.keras"}
    assert not (folder / "backup.npz").exists()
    # The checkpoint is evaluated and published, as of any trial.
    assert {"test_loss", "test_accuracy"} <= set(parent.data.metrics)
    assert "models:/" in swept.out


def test_the_spread_is_shown(swept: Ended, reader: RunReader) -> None:
    std = swept.runs()[1].data.metrics["best_value_std"]
    assert f" ± {std:.2g}" in swept.out
    page = next((swept.path / "multirun" / "s" / "report").glob("*.html")).read_text()
    assert f" ± {std:.2g}</td>" in page
    shown = CliRunner().invoke(main, ["compare", "s", "--tracking-uri", reader.uri])
    assert shown.exit_code == 0, shown.output
    assert "best_value_std" in shown.output
    args = ["compare", "s", "--json", "--tracking-uri", reader.uri]
    found = json.loads(CliRunner().invoke(main, args).stdout)
    assert [trial["metrics"]["trainings"] for trial in found["trials"]] == [FOLDS, 2]


def test_a_replay_trains_the_same_folds(reader: RunReader) -> None:
    done = replay(reader, reader.run("s/0"), HERE)
    assert done.difference is None
    assert done.replayed.data.metrics["best_value_std"] > 0
    assert done.replayed.data.tags["checkpoint"] == "checkpoint/refit.keras"
    names = [name for name in done.replayed.data.metrics if name.endswith("/val_loss")]
    assert sorted(names) == [f"fold_{n}/val_loss" for n in range(FOLDS)]


def test_a_confirmation_has_the_same_folds_and_no_refit(reader: RunReader) -> None:
    found = Confirmation(reader, reader.study("s"), top=1, seeds=1)
    ((leader, seed, trained),) = found.run(HERE)
    run = reader.client.get_run(trained.run_id)
    assert leader.values == {seed: run.data.metrics["best_value"]}
    assert run.data.metrics["trainings"] == FOLDS
    assert run.data.tags["identity"] == leader.run.data.tags["identity"]
    assert "checkpoint" not in run.data.tags


def test_a_refitted_model_is_not_continued(reader: RunReader) -> None:
    uri = ["--tracking-uri", reader.uri]
    ended = CliRunner().invoke(main, ["continue", "s/0", "--epochs", "2", *uri])
    assert ended.exit_code == 1
    assert "was trained on the whole training part, so no row is left to validate on" in (
        ended.output
    )


def test_repeats_are_trainings_with_other_seeds(command: Command) -> None:
    fixed = ("deterministic=true", "fit.epochs=2", "model.dropout=0.2", "model=lstm")
    once = command(*fixed)
    twice = command(*fixed, "fit.repeats=2")
    assert (once.code, twice.code) == (0, 0), once.err + twice.err
    (one,), (several,) = once.runs(), twice.runs()
    first, second = (metrics(twice, several, f"repeat_{n}/val_loss") for n in range(2))
    assert first == metrics(once, one, "val_loss")
    assert first != second
    values = [min(value for _, value in curve) for curve in (first, second)]
    assert several.data.metrics["best_value"] == pytest.approx(fmean(values))
    parts = [Identity.parse(run.data.tags["identity"]).validation for run in (one, several)]
    assert parts[1] == f"{parts[0]}, the mean of 2 trainings"
    assert several.data.tags["checkpoint"] == "checkpoint/refit.keras"
    assert re.search(r"^loss \d", twice.out, re.MULTILINE)


def test_without_a_refit_there_is_no_checkpoint(command: Command) -> None:
    ended = command("fit.folds=2", "fit.refit=false", "fit.epochs=1", "fit.batch_size=60")
    assert ended.code == 0, ended.err
    (run,) = ended.runs()
    assert "checkpoint" not in run.data.tags
    assert run.data.metrics["trainings"] == 2
    assert not [name for name in run.data.metrics if name.startswith("refit/")]


@pytest.mark.slow
def test_a_killed_trial_goes_on_in_its_fold(command: Command) -> None:
    """Two trials with equal params, of which the first is killed in epoch 1 of its second fold."""
    kill = "_target_:tests.helpers.failing.KillIn,epoch:1,file:'${hydra:runtime.output_dir}/killed'"
    ended = command(
        "-m", "hydra/launcher=workers", "deterministic=true", "hydra.sweeper.study_name=s",
        "hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=1", "fit.folds=3", "fit.epochs=3",
        "pruner=none", "model=lstm", "model.dropout=0.2",
        "callbacks=[model_checkpoint,csv_logger,reduce_lr_on_plateau]",
        f"+callbacks.kill={{{kill},name:none}}", "hydra.sweeper.params=null",
        "callbacks.kill.name=choice(fold_1,none)",
        "hydra.sweeper.enqueue=[{callbacks.kill.name:fold_1},{callbacks.kill.name:none}]",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    _, killed, whole = ended.runs()
    assert (killed.data.tags["attempt"], whole.data.tags.get("attempt")) == ("1", None)
    log = (ended.path / "multirun" / "s" / "0" / "sweep.log").read_text()
    assert "resumed after epoch 0 of fold_1" in log
    names = [f"fold_{n}/{name}" for n in range(3) for name in ("loss", "val_loss", "learning_rate")]
    for name in (*names, "refit/loss", "val_loss"):
        assert metrics(ended, killed, name) == metrics(ended, whole, name), name
    for name in ("best_value", "best_value_std", "best_epoch", "epochs", "trainings"):
        assert killed.data.metrics[name] == whole.data.metrics[name], name
    first, second = ended.study("s").trials
    assert first.intermediate_values == second.intermediate_values
    tables = [
        Path(ended.client.download_artifacts(run.info.run_id, "fold_1/epochs.csv")).read_text()
        for run in (killed, whole)
    ]
    assert tables[0] == tables[1]


def test_the_folds_are_averaged(command: Command) -> None:
    """The model predicts the mean of what the models of the folds predict."""
    ended = command(
        "-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=1",
        "fit.folds=2", "fit.refit=average", "fit.epochs=2", "hydra.sweeper.params=null",
        f"{RATE}=choice(0.01,10.0)", f"hydra.sweeper.enqueue=[{{{RATE}:0.01}},{{{RATE}:10.0}}]",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    parent, run, worse = ended.runs()
    assert run.data.tags["checkpoint"] == "checkpoint/average.keras"
    assert "checkpoint" not in worse.data.tags
    assert not [name for name in run.data.metrics if name.startswith("refit/")]
    assert "test_loss" in parent.data.metrics
    assert "models:/" in ended.out
    folder = ended.path / "multirun" / "s" / "0"
    assert {file.name for file in folder.rglob("*.keras")} == {"average.keras"}
    assert not list((ended.path / "multirun").rglob("best.weights.h5"))


OWN = "model.function=tests.helpers.own_models."


@pytest.mark.parametrize(
    "model",
    [["model=simple_rnn"], ["model=own", f"{OWN}subclassed"], ["model=own", f"{OWN}twice"]],
)
def test_the_average_of_models(
    composed: Callable[..., DictConfig], tmp_path: Path, model: list[str]
) -> None:
    config = composed("fit.folds=2", "fit.refit=average", *model)
    settle_mode(config)
    dataset = data.load(config.data)
    x, files, expected = dataset.train().x[:5], [], []
    for number in range(2):
        trained = build(config, dataset)
        trained.fit(dataset.train().x, dataset.train().y, verbose=0)
        files.append(tmp_path / f"{number}.weights.h5")
        trained.save_weights(files[-1])
        expected.append(trained.predict(x, verbose=0))
    averaged = average(config, dataset, files)
    np.testing.assert_allclose(averaged.predict(x, verbose=0), np.mean(expected, axis=0), rtol=1e-5)
    averaged.save(tmp_path / "average.keras")
    again = build_to_use(config, dataset)
    load_file(again, tmp_path / "average.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), np.mean(expected, axis=0), rtol=1e-5)


def test_a_model_without_a_config_is_not_averaged(command: Command) -> None:
    ended = command("fit.repeats=2", "fit.refit=average", "model=own", f"{OWN}without_config")
    assert ended.code == 1
    assert "fit.refit=average: the model can't be made again from its own get_config" in ended.err
