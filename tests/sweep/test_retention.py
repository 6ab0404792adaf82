import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import optuna
import pytest
from mlflow.entities import Run
from optuna.trial import TrialState

from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.in_memory_tracker import MemoryRun
from rnnexp.sweep.audit import audit
from rnnexp.sweep.heartbeat import Heartbeat
from rnnexp.sweep.retention import Keep, Retention, keep_problems, trials_to_clear
from tests.helpers.commands import ROOT, Command, Ended

COMPLETE, PRUNED, FAIL, RUNNING, WAITING = (
    TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING,
)  # fmt: skip
ALL = [(COMPLETE, 3), (PRUNED, 1), (COMPLETE, 1), (FAIL, None), (COMPLETE, 2), (RUNNING, None)]


@pytest.mark.parametrize(
    ("trials", "keep", "high_is_good", "is_over", "gone"),
    [
        ([], 1, False, False, set()),
        (ALL, "all", False, True, set()),
        (ALL, 3, False, False, {1, 3}),
        (ALL, 2, False, False, {0, 1, 3}),
        (ALL, 2, False, True, {0, 1, 3}),
        (ALL, 1, False, False, {0, 1, 3, 4}),
        (ALL, 1, True, False, {1, 2, 3, 4}),
        (ALL, "none", False, False, {0, 1, 3, 4}),
        (ALL, "none", True, False, {1, 2, 3, 4}),
        (ALL, "none", False, True, {0, 1, 2, 3, 4}),
        ([(COMPLETE, 1), (COMPLETE, 1), (COMPLETE, 1)], 2, False, False, {2}),
        ([(COMPLETE, 1), (COMPLETE, 1), (COMPLETE, 1)], 2, True, False, {2}),
        ([(COMPLETE, 0), (COMPLETE, -1)], 1, True, False, {1}),
        ([(RUNNING, None), (WAITING, None)], "none", False, True, set()),
    ],
)
def test_the_rule(
    trials: list[tuple[TrialState, float | None]],
    keep: Keep,
    high_is_good: bool,
    is_over: bool,
    gone: set[int],
) -> None:
    study = optuna.create_study(direction="maximize" if high_is_good else "minimize")
    for state, value in trials:
        values = {0: float(value)} if value is not None and state == PRUNED else {}
        study.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=value if state == COMPLETE else None,
                intermediate_values=values,
            )
        )
    ended = EndedTrials(study)
    found = trials_to_clear(ended, keep, is_over=is_over)
    assert {trial.number for trial, _ in found} == gone
    assert all(text.startswith(f"hydra.sweeper.keep={keep}: ") for _, text in found)
    assert trials_to_clear(ended, keep, gone, is_over=is_over) == []


@pytest.mark.parametrize(
    ("keep", "is_good"),
    [(1, True), (5, True), ("all", True), ("none", True), (0, False), (-1, False), (2.5, False),
     (True, False), (None, False), ("best", False)],
)  # fmt: skip
def test_what_keep_can_be(keep: object, is_good: bool) -> None:
    assert (keep_problems(keep) == []) is is_good


@dataclass
class Left:
    """What a study of tests/helpers/saving_app.py has left."""

    ended: Ended
    name: str

    @property
    def runs(self) -> dict[int, Run]:
        runs = self.ended.runs("saving_app")
        mine = [run for run in runs if run.data.tags["study"] == self.name]
        return {int(run.data.tags["trial"]): run for run in mine if "trial" in run.data.tags}

    def assert_kept(self, numbers: set[int]) -> None:
        """That these trials have their checkpoints, on disk twice; the others' runs say why not."""
        path, runs = self.ended.path, self.runs
        local = path.glob(f"multirun/{self.name}/*/model/*.fake")
        assert {int(file.parents[1].name) for file in local} == numbers
        artifacts = {
            file.parents[2].name for file in path.glob("mlruns/*/*/artifacts/checkpoint/*")
        }
        ids = {number: run.info.run_id for number, run in runs.items()}
        assert artifacts & set(ids.values()) == {ids[number] for number in numbers}
        for number, run in runs.items():
            assert ("checkpoint" in run.data.tags) is (number in numbers)
            deleted = run.data.tags.get("checkpoint_deleted", "")
            assert deleted.startswith("hydra.sweeper.keep=") is (number not in numbers)
        assert audit(self.ended.study(self.name), self.ended.client) == []


Sweep = Callable[..., Left]


@pytest.fixture(scope="module")
def saving(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Runs tests/helpers/saving_app.py, whose trials save a checkpoint and have the value x."""
    run = partial(
        command, "-m", "hydra.sweeper.checkpoints=['*.fake']", "hydra.sweeper.params=null",
        tiny=False, script=ROOT / "tests" / "helpers" / "saving_app.py",
        path=tmp_path_factory.mktemp("saving"),
    )  # fmt: skip

    def sweep(name: str, *arguments: str) -> Left:
        ended = run(*arguments, f"hydra.sweep.dir=multirun/{name}")
        assert ended.code == 0, ended.err
        return Left(ended, name)

    return sweep


def values(name: str, number: int) -> list[str]:
    """Trials with x = 0, 1, 2, ..., in this order."""
    known = ",".join(f"{{x:{x}}}" for x in range(number))
    return [
        f"hydra.sweeper.study_name={name}", "x=range(0,9)", f"hydra.sweeper.n_trials={number}",
        f"hydra.sweeper.enqueue=[{known}]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keep", "direction", "kept"),
    [("2", "maximize", {1, 2}), ("all", "minimize", {0, 1, 2}), ("none", "minimize", set())],
)
def test_what_is_kept(saving: Sweep, keep: str, direction: str, kept: set[int]) -> None:
    left = saving(
        keep, *values(keep, 3), f"hydra.sweeper.keep={keep}", f"hydra.sweeper.direction={direction}"
    )
    left.assert_kept(kept)


def test_pruned_and_failed_trials_keep_none(saving: Sweep) -> None:
    left = saving("ends", *values("ends", 4), "+fail=1", "+prune=2")
    left.assert_kept({0, 3})
    assert "this one failed" in left.runs[1].data.tags["checkpoint_deleted"]
    assert "this one was pruned" in left.runs[2].data.tags["checkpoint_deleted"]


@pytest.mark.slow
def test_a_trial_whose_worker_died_keeps_none(saving: Sweep) -> None:
    left = saving(
        "died", *values("died", 3), "+kill=1", "hydra.sweeper.retries=0", "hydra/launcher=workers",
        "hydra.sweeper.n_jobs=1",
    )  # fmt: skip
    left.assert_kept({0, 2})
    died = left.runs[1].data
    assert died.tags["reason"] == "its worker process died"
    assert died.metrics["epochs"] == 0
    assert died.metrics["seconds"] >= 0


@pytest.mark.slow
def test_a_resume_keeps_the_best_of_all(saving: Sweep) -> None:
    high = "hydra.sweeper.direction=maximize"
    saving("more", *values("more", 3), "hydra.sweeper.keep=2", high).assert_kept({1, 2})
    left = saving(
        "more", *values("more", 4), "hydra.sweeper.resume=more", high, "hydra.sweeper.keep=1"
    )
    left.assert_kept({3})


@pytest.mark.slow
def test_a_resume_knows_the_checkpoints_of_other_machines(saving: Sweep) -> None:
    """Their folders are not there, as if the trials had run on machines that share no storage."""
    high = "hydra.sweeper.direction=maximize"
    left = saving("away", *values("away", 3), "hydra.sweeper.keep=all", high)
    shutil.rmtree(left.ended.path / "multirun" / "away")
    again = ["hydra.sweeper.resume=away", "hydra.sweeper.keep=2"]
    left = saving("away", *values("away", 3), *again, high)
    assert {n for n, run in left.runs.items() if "checkpoint" in run.data.tags} == {1, 2}


def test_what_is_missing_is_found(saving: Sweep) -> None:
    left = saving("lost", *values("lost", 2))
    shutil.rmtree(left.runs[0].info.artifact_uri + "/checkpoint")
    study, client = left.ended.study("lost"), left.ended.client
    (found,) = audit(study, client)
    assert "has no checkpoint/best.fake among its run's artifacts" in found.text
    assert found.repair
    found.repair()
    assert audit(study, client) == []


def test_a_checkpoint_that_another_sweep_evaluates_stays_until_it_is_evaluated(
    tmp_path: Path,
) -> None:
    study = optuna.create_study(direction="minimize")
    study.add_trials(optuna.trial.create_trial(value=value) for value in (2.0, 1.0, 3.0))
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        folder.mkdir()
        (folder / "best.fake").touch()
    deleted: list[str] = []

    class Deleting(MemoryRun):
        def delete_checkpoint(self, _id: str | None, folder: Path, *_: object) -> None:
            deleted.append(folder.name)

    retention = Retention(EndedTrials(study), 1, ["*.fake"], Deleting(), tmp_path)
    with Heartbeat(study) as other:
        other.evaluates(0)  # the best when the other sweep looked
        retention.apply()
        assert deleted == ["2"]
        retention.on_idle()  # nothing has changed
        assert deleted == ["2"]
        other.evaluates(None)
        retention.on_idle()
        assert deleted == ["2", "0"]


@pytest.mark.slow
def test_of_200_trials_the_best_keep_their_checkpoints(saving: Sweep) -> None:
    left = saving(
        "large", "hydra.sweeper.study_name=large", "x=interval(0,1)", "hydra.sweeper.n_trials=200",
        "hydra.sweeper.sampler={_target_:optuna.samplers.RandomSampler}",
    )  # fmt: skip
    trials = sorted(left.ended.study("large").trials, key=lambda trial: trial.value or 0.0)
    assert len(trials) == 200
    left.assert_kept({trial.number for trial in trials[:5]})


@pytest.mark.slow
def test_models_of_keras(command: Command, tmp_path: Path) -> None:
    file = "'${hydra:runtime.output_dir}/{epoch}.weights.h5'"
    fixed = [
        "-m", "hydra.sweeper.params=null", "compile.optimizer.learning_rate=interval(0.001,0.01)",
        "callbacks=[model_checkpoint]", "callbacks.model_checkpoint.save_best_only=false",
        "callbacks.model_checkpoint.save_weights_only=true", "pruner=none",
        f"callbacks.model_checkpoint.filepath={file}",
    ]  # fmt: skip

    def sweep(*arguments: str) -> tuple[Ended, int, int]:
        ended = command(*fixed, *arguments, path=tmp_path)
        assert ended.code == 0, ended.err
        assert "test loss" in ended.out
        files = [len(list(tmp_path.rglob(f"{part}/**/*.h5"))) for part in ("mlruns", "multirun")]
        return ended, files[0], files[1]

    first = ("hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=3")
    assert sweep(*first, "hydra.sweeper.keep=all")[1:] == (6, 6)  # of two epochs each
    again = ("hydra.sweeper.resume=s", "hydra.sweeper.n_trials=4")
    assert sweep(*again, "hydra.sweeper.keep=2")[1:] == (4, 4)
    other = ("hydra.sweeper.study_name=t", "hydra.sweeper.n_trials=2")
    ended, *files = sweep(*other, "hydra.sweeper.keep=none")
    assert files == [4, 4]  # those of the first study
    gone = next(run for run in ended.runs() if "checkpoint_deleted" in run.data.tags)
    refused = command(f"checkpoint={gone.info.run_id}", path=tmp_path)
    assert refused.code == 1
    assert "the checkpoint of this run was deleted, by hydra.sweeper.keep=" in refused.err
