"""Sweeps on worker processes, and Hydra's own tests of launchers."""

import pytest
from hydra.test_utils.launcher_common_tests import LauncherTestSuite
from hydra.version import VersionBase
from optuna.trial import TrialState
from packaging.version import Version

from tests.helpers.commands import PRUNE_AT_2, Command, Ended, metrics

WORKERS = ("-m", "hydra/launcher=workers", "sampler=random", "hydra.sweeper.study_name=s")


# Hydra's suite runs with the behaviour of Hydra 1.1 in places, of which Hydra warns.
@pytest.mark.filterwarnings("ignore:Future Hydra versions will no longer change:UserWarning")
@pytest.mark.parametrize("launcher_name", ["workers", "in_process"])
@pytest.mark.parametrize("overrides", [[]])
class TestHydrasLauncherSuite(LauncherTestSuite):
    """What Hydra expects of every launcher."""

    @pytest.fixture(autouse=True)
    def _as_in_hydra_1_1(self) -> None:
        # The suite assumes this version; an earlier sweep of this process has set 1.3.
        VersionBase.instance().setbase(Version("1.1"))


@pytest.fixture(scope="module")
def swept(command: Command) -> Ended:
    """Four trials on two workers: with 1 epoch a trial completes, with 4 it is pruned."""
    return command(
        *WORKERS,
        *PRUNE_AT_2,
        "hydra.sweeper.n_trials=4",
        "hydra.sweeper.n_jobs=2",
        "fit.epochs=choice(1,4)",
        "+callbacks.trace={_target_:tests.helpers.failing.Trace,folder:'${hydra:runtime.output_dir}'}",
    )


def test_a_trial_pruned_in_a_worker_is_pruned_everywhere(swept: Ended) -> None:
    assert swept.code == 0, swept.err
    trials = swept.study().trials
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial, run in zip(trials, swept.runs()[1:], strict=True):
        pruned = trial.params["fit.epochs"] == 4
        assert trial.state == (TrialState.PRUNED if pruned else TrialState.COMPLETE)
        assert run.info.status == ("KILLED" if pruned else "FINISHED")
        assert run.data.tags["trial"] == str(trial.number)
        assert [step for step, _ in metrics(swept, run, "val_loss")] == list(
            range(3 if pruned else 1)
        )
        folder = swept.path / "multirun" / "s" / str(trial.number)
        assert (folder / "train_end").exists()  # other callbacks ended as usual


def test_each_trial_has_a_folder_of_its_own_and_the_terminal_stays_clean(swept: Ended) -> None:
    for trial in swept.study().trials:
        folder = swept.path / "multirun" / "s" / str(trial.number)
        files = {file.name for file in folder.iterdir()}
        kept = {"best.keras"} if trial.state == TrialState.COMPLETE else set()
        assert files == {".hydra", *kept, "output.log", "sweep.log", "train_end", "trial.json"}
        assert (
            f"model.units={trial.params.get('model.units', 4)}"
            in (folder / ".hydra" / "overrides.yaml").read_text()
        )
        assert "val_accuracy" in (folder / "sweep.log").read_text()
    assert "val_accuracy" not in swept.out


@pytest.mark.slow
def test_a_worker_that_dies_fails_its_trial_alone(command: Command) -> None:
    ended = command(
        *WORKERS,
        "hydra.sweeper.n_trials=4",
        "hydra.sweeper.n_jobs=2",
        "model.units=choice(4,5)",
        "fit.epochs=2",
        "+callbacks.kill={_target_:tests.helpers.failing.KillAt,epoch:0,units:5}",
    )
    assert ended.code == 0, ended.err
    trials = ended.study().trials
    assert {trial.params["model.units"] for trial in trials} == {4, 5}
    for trial, run in zip(trials, ended.runs()[1:], strict=True):
        died = trial.params["model.units"] == 5
        assert trial.state == (TrialState.FAIL if died else TrialState.COMPLETE)
        assert run.info.status == ("FAILED" if died else "FINISHED")
        assert (run.data.tags.get("reason") == "its worker process died") is died


def test_bad_input_leaves_no_file_with_workers_either(command: Command) -> None:
    ended = command(*WORKERS, "fit.batch_size=0", "objective.monitor=val_acc")
    assert ended.code == 1
    assert "2 problems in the input" in ended.err
    assert ended.files() == set()
