"""``rnnexp confirm``: the best trials of a study trained again, over seeds that it never used.

``seed`` decides on the initial weights and on the order of the batches. The data have a seed of
their own, so the validation part is the same, as is all else: of a trial with folds, the folds.
Nothing is pruned, and the test part is not read.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf

from rnnexp.errors import NotFoundError
from rnnexp.objective import Objective
from rnnexp.reproduce.job_config import job_config
from rnnexp.reproduce.leaders import SEED, Leader, leaders, other_seeds
from rnnexp.reproduce.paired_comparison import Margin, chance, margin
from rnnexp.reproduce.retrain import Trained, Training, retrain
from rnnexp.result import State
from rnnexp.storage.run_reader import RunReader, objective_of
from rnnexp.storage.schema import Kind, Metrics, Tags

LARGEST = 1e308  # an absolute value that no loss or metric has
WORKERS = OmegaConf.create({"_target_": "rnnexp.execution.executors.WorkerExecutor"})


class Confirmation:
    """The best trials of a study, and the seeds to train them over.

    Args:
        reader: Reads the store of the study, which the new runs go to.
        study: The study's run.
        top: The number of trials, all with different params.
        seeds: The number of seeds, among them the seeds of earlier confirmations.

    Attributes:
        objective: The study's objective.
        leaders: The best trials, the best first; fewer than ``top`` if the study has no more.
        seeds: The seeds.
        pending: Pairs of a leader and a seed that are still to be trained.

    Raises:
        NotFoundError: If no trial has a value, or a trial can't be trained again.
    """

    def __init__(self, reader: RunReader, study: Run, top: int, seeds: int) -> None:
        self._reader = reader
        self._study = study
        name = study.data.tags[Tags.STUDY]
        objective = objective_of(study)
        if objective is None:
            raise NotFoundError(f"study {name} has no objective to compare its trials by")
        self.objective: Objective = objective
        trials = reader.trials(study)
        self.leaders = [Leader(run) for run in leaders(trials, objective)[:top]]
        if not self.leaders:
            raise NotFoundError(f"study {name} has no trial to confirm")
        for leader in self.leaders:
            job_config(reader, leader.run)  # raises an error if it can't be trained again
        self._read_values()
        known = {seed for leader in self.leaders for seed in leader.seeds}
        used = {int(run.data.tags[Tags.SEED]) for run in trials if Tags.SEED in run.data.tags}
        self.seeds = other_seeds(used, known, seeds)
        self.pending = [
            (leader, seed)
            for seed in self.seeds
            for leader in self.leaders
            if seed not in leader.seeds
        ]
        for leader in self.leaders:
            leader.diverged.intersection_update(self.seeds)
            for seed in leader.values.keys() - set(self.seeds):
                del leader.values[seed]

    def _read_values(self) -> None:
        """Read the values of earlier confirmations."""
        by_id = {leader.run.info.run_id: leader for leader in self.leaders}
        for run in self._reader.confirmations(self._study):
            tags = run.data.tags
            leader = by_id.get(tags[Tags.CONFIRMS])
            if leader and tags.get(Tags.STATE) == State.COMPLETE:
                leader.values[int(tags[Tags.SEED])] = run.data.metrics[Metrics.BEST_VALUE]
            elif leader and tags.get(Tags.STATE) == State.FAIL and self._has_diverged(run):
                leader.diverged.add(int(tags[Tags.SEED]))
        for leader in self.leaders:
            leader.diverged.difference_update(leader.values)

    def _has_diverged(self, run: Run) -> bool:
        """Return whether a training failed by its values, not by an error or a dead worker."""
        values = (run.data.metrics.get(name) for name in ("loss", self.objective.monitor))
        # MLflow stores an infinite value as the largest number.
        return any(value is not None and not abs(value) < LARGEST for value in values)

    def run(
        self, executor: DictConfig = WORKERS, n_jobs: int | None = None
    ) -> Iterator[tuple[Leader, int, Trained]]:
        """Train the pending pairs of a leader and a seed.

        Args:
            executor: ``_target_`` of an executor, as of a launcher.
            n_jobs: The number of trainings that run at once; None for one a core.

        Yields:
            The leader, the seed and the result of each training, as soon as it has ended.

        Raises:
            ConfigError: If a leader's config can't work, or its data have changed.
            NotFoundError: If a leader can't be trained again.
        """
        if not self.pending:
            return
        name = f"confirm-{datetime.now():%Y-%m-%d_%H-%M-%S}"
        folder = Path(self._study.data.tags[Tags.FOLDER], name)
        trainings = [self._training(leader, seed, folder) for leader, seed in self.pending]
        for number, trained in retrain(self._reader, trainings, executor, n_jobs):
            leader, seed = self.pending[number]
            if trained.state == State.COMPLETE and trained.value is not None:
                leader.values[seed] = trained.value
            elif trained.run_id:  # the training itself says that it failed
                leader.diverged.add(seed)
            yield leader, seed, trained

    def _training(self, leader: Leader, seed: int, folder: Path) -> Training:
        run_id, study = leader.run.info.run_id, self._study.data.tags[Tags.STUDY]
        has_folds = Metrics.TRAININGS in leader.run.data.metrics  # or repeats; no model is needed
        return Training(
            leader.run,
            name=f"{leader.name} {SEED}={seed}".strip(),
            folder=folder / f"{leader.trial}-{seed}",
            kind=Kind.CONFIRMATION,
            params=leader.params,
            tags={Tags.CONFIRMS: run_id, Tags.STUDY: study},
            parent=self._study.info.run_id,
            overrides=(f"{SEED}={seed}", *(["fit.refit=false"] if has_folds else [])),
        )

    def margins(self) -> list[Margin]:
        """Return the margin of the first leader over each of the others."""
        first, *others = self.leaders
        return [
            margin(first.values, other.values, self.objective, (first.diverged, other.diverged))
            for other in others
        ]

    @property
    def survives(self) -> bool | None:
        """Whether the first leader is still ahead of all others; None if it is unknown."""
        margins = self.margins()
        if not margins or any(found.seeds < 2 for found in margins):
            return None
        return all(found.survives for found in margins)

    def verdict(self) -> str:
        """Say whether the margin of the first leader survives, and how sure that is."""
        return verdict(self.leaders, self.margins())

    def write(self) -> None:
        """Write the outcome to MLflow: metrics of the leaders, metrics and tags of the study."""
        tracker = self._reader.store
        for leader in self.leaders:
            if leader.metrics:
                tracker.add(leader.run.info.run_id, metrics=leader.metrics, tags={})
        survives = {True: "true", False: "false", None: "unknown"}[self.survives]
        tracker.add(
            self._study.info.run_id,
            metrics=self.leaders[0].metrics,
            tags={
                Tags.CONFIRM_TRIALS: " ".join(str(leader.trial) for leader in self.leaders),
                Tags.CONFIRM_SURVIVES: survives,
                Tags.CONFIRM_VERDICT: self.verdict(),
            },
        )


def verdict(leaders: Sequence[Leader], margins: Sequence[Margin]) -> str:
    """Say whether the margin of the first leader survives, and how sure that is.

    Args:
        leaders: The leaders, the first of them first.
        margins: The first leader's margin over each of the others.
    """
    first, *others = leaders
    if not others:
        return "There is no trial with other params to compare with."
    fewest = min(found.seeds for found in margins)
    if fewest < 2:
        return "Whether the margin survives is unknown: it takes at least two seeds."
    each = "; ".join(
        f"{abs(found.mean):.4g} {'better' if found.mean > 0 else 'worse'} than trial "
        f"{other.trial} (standard error {found.standard_error:.2g})"
        for other, found in zip(others, margins, strict=True)
    ) + "".join(
        f". Trial {leader.trial} diverged with {len(leader.diverged)} of its {len(leader.seeds)} "
        "seeds, which counts as worse than any value"
        for leader in leaders
        if leader.diverged
    )
    does = "survives" if all(found.survives for found in margins) else "does not survive"
    return (
        f"The margin of trial {first.trial} {does} other seeds: on average, the trial is {each}. "
        "A margin survives if its mean, paired by seed, is larger than twice its standard error; "
        f"with {fewest} seeds, {chance(fewest):.0%} of the margins between equal params survive by "
        "chance."
    )
