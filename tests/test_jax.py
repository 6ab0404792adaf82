"""Trainings on JAX, in processes of their own: this one has imported Keras with TensorFlow."""

import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from click.testing import CliRunner

from rnnexp.cli import main
from rnnexp.execution.executors import WorkerExecutor
from rnnexp.storage.run_reader import RunReader
from rnnexp.training.trial import evaluate
from tests.helpers.commands import ROOT, TINY, Command, Ended, metrics
from tests.helpers.pausing import LEARNED, PAUSING, TRAINING, WHOLE, assert_equal

MODEL = ("model=lstm", "model.dropout=0.3", "fit.batch_size=16", "fit.epochs=3")
ALONE = ("sampler=grid", "compile.optimizer.learning_rate=0.01", "model.units=4", "pruner=none",
         "hydra.sweeper.pausing=null")  # fmt: skip
WITHOUT_JAX = """
import runpy, sys
sys.modules["jax"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
WITHOUT_TENSORFLOW = """
import sys
from rnnexp import keras_runtime
keras_runtime.choose("jax", deterministic=False)
keras = keras_runtime.keras()
keras.utils.set_random_seed(0)
keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(sys.argv[1])
print("tensorflow" in sys.modules)
import tensorflow.summary  # as the callback TensorBoard does
"""


def python(*arguments: str | Path, path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=path, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("flags", [["-m", "hydra/launcher=in_process"], []])
def test_without_jax_nothing_is_started(flags: list[str], tmp_path: Path) -> None:
    script = ROOT / "sweep.py"
    ended = python("-c", WITHOUT_JAX, script, *flags, "backend=jax", *TINY, path=tmp_path)
    assert ended.returncode == 1
    assert "1 problem in the input, nothing was started" in ended.stderr
    assert "backend=jax: JAX is not installed; pip install 'rnnexp[jax]'" in ended.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_keras_on_jax_does_without_tensorflow(tmp_path: Path) -> None:
    ended = python("-c", WITHOUT_TENSORFLOW, tmp_path / "model.keras", path=ROOT)
    assert (ended.returncode, ended.stdout) == (0, "False\n"), ended.stderr


@pytest.fixture(scope="module")
def swept(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Two trials; the worker of the first is killed after its second epoch."""
    kills = tmp_path_factory.mktemp("kills") / "kills"
    kills.write_text("1")
    ended = command(
        "-m",
        "hydra/launcher=workers",
        "hydra.sweeper.study_name=j",
        "hydra.sweeper.n_trials=2",
        "hydra.sweeper.n_jobs=1",
        "model.units=choice(4,5)",
        "backend=jax",
        "deterministic=true",
        f"+callbacks.kill={{_target_:tests.helpers.failing.KillAsOftenAs,epoch:1,file:{kills}}}",
        *MODEL,
    )
    assert ended.code == 0, ended.err
    return ended


@pytest.fixture
def reader(swept: Ended, monkeypatch: pytest.MonkeyPatch) -> RunReader:
    monkeypatch.chdir(swept.path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    # The callback that the runs name is the tests' own.
    return RunReader("sqlite:///mlflow.db", trust=True)


@pytest.mark.slow
def test_a_sweep_is_trained_resumed_evaluated_and_published(
    swept: Ended,
    reader: RunReader,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parent, first, second = swept.runs()
    for run in (first, second):
        assert [step for step, _ in metrics(swept, run, "val_loss")] == [0, 1, 2]
        assert run.data.tags["state"] == "COMPLETE"
    assert "attempt" not in second.data.tags
    assert first.data.tags["attempt"] == "1"
    assert "resumed after epoch 0" in (swept.path / "multirun/j/0/sweep.log").read_text()
    assert {run.data.tags["backend"] for run in (parent, first, second)} == {"jax"}
    assert "test_loss" in parent.data.metrics
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{swept.path}/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/j@champion")
    predicted = model.predict(pd.DataFrame({"text": ["a", "b"]}))
    assert list(predicted) == ["label", "probability_0", "probability_1"]
    best = (first, second)[int(parent.data.metrics["best_trial"])]
    path = swept.client.download_artifacts(best.info.run_id, "evaluation/predictions.csv")
    table = pd.read_csv(path)  # what JAX has computed
    is_right = (table["label"] == table["predicted"]).mean()
    assert is_right == pytest.approx(parent.data.metrics["test_accuracy"])


@pytest.mark.slow
def test_a_deterministic_trial_is_replayed_to_the_last_bit(
    reader: RunReader,  # noqa: ARG001
) -> None:
    arguments = ["replay", "j/1", "--trust", "--tracking-uri=sqlite:///mlflow.db"]
    ended = CliRunner().invoke(main, arguments)
    assert ended.exit_code == 0, ended.output
    assert "equal: every metric of 3 epochs, to the last bit" in ended.output


@pytest.mark.slow
def test_a_checkpoint_of_jax_is_evaluated_and_continued_on_tensorflow(
    swept: Ended, reader: RunReader, command: Command
) -> None:
    parent = reader.study("j")
    best = reader.run(f"j/{int(parent.data.metrics['best_trial'])}")
    config = reader.config(best)
    config.backend = "tensorflow"
    scores = evaluate(config, best.info.run_id)
    assert scores["loss"] == pytest.approx(parent.data.metrics["test_loss"], abs=1e-5)
    units = f"model.units={best.data.params['model.units']}"
    ended = command(units, *MODEL, f"checkpoint={best.info.run_id}", path=swept.path)
    assert ended.code == 0, ended.err


@pytest.mark.slow
def test_a_checkpoint_of_tensorflow_is_evaluated_and_continued_on_jax(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = command(*MODEL)
    monkeypatch.chdir(ended.path)
    (run,) = ended.runs()
    config = RunReader("sqlite:///mlflow.db").config(run)
    config.backend = "jax"
    with WorkerExecutor(1) as executor:
        scores = executor.submit(evaluate, config, run.info.run_id).result()
    assert scores["loss"] == pytest.approx(run.data.metrics["test_loss"], abs=1e-5)
    arguments = ["backend=jax", f"checkpoint={run.info.run_id}", *TINY, *MODEL]
    done = python(ROOT / "sweep.py", *arguments, path=ended.path)
    assert done.returncode == 0, done.stderr
    continued = next(run for run in ended.runs() if "continued_from" in run.data.tags)
    assert continued.data.tags["backend"] == "jax"


@pytest.mark.slow
def test_many_steps_at_once_are_equal_to_the_last_bit(command: Command) -> None:
    # 96 rows to train on in batches of 5: 20 steps, the last of one row; 5 steps of validation.
    given = ("backend=jax", "fit.batch_size=5", "model.dropout=0.3", "hydra/launcher=workers")
    ended = command("-m", *given, "compile.steps_per_execution=1,auto", *ALONE)
    assert ended.code == 0, ended.err
    _, one, other = ended.runs()
    assert {run.data.params["compile.steps_per_execution"] for run in (one, other)} == {"1", "auto"}
    for name in LEARNED:
        assert metrics(ended, one, name) == metrics(ended, other, name), name


@pytest.mark.slow
def test_a_trial_that_has_paused_is_equal_to_the_last_bit(command: Command) -> None:
    jax = ("backend=jax", "hydra/launcher=workers")
    assert_equal(command(*TRAINING, *PAUSING, *jax), command(*TRAINING, *WHOLE, *jax))
