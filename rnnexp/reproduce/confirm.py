"""``rnnexp confirm``: the leaders of a study trained again, over seeds that it never saw.

`seed` decides on the initial weights and the batches' order. The data keep theirs, and with it
the validation part is the same, as is all else; nothing is pruned, and the test part isn't read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count, islice
from pathlib import Path

from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf

from rnnexp.errors import NotFoundError
from rnnexp.reproduce.job_config import job_config
from rnnexp.reproduce.paired_comparison import Lead, chance, deviation, lead, mean
from rnnexp.reproduce.retrain import Trained, Training, retrain
from rnnexp.result import State
from rnnexp.storage.run_reader import RunReader, objective_of
from rnnexp.storage.schema import Kind

SEED = "seed"  # config key, and tag of a run
WORKERS = OmegaConf.create({"_target_": "rnnexp.execution.executors.WorkerExecutor"})


@dataclass(frozen=True)
class Leader:
    """One of the best settings of a study.

    Attributes:
        run: The best of its trials.
        values: What came out over other seeds, by seed.
    """

    run: Run
    values: dict[int, float] = field(default_factory=dict)

    @property
    def trial(self) -> int:
        """The trial's number."""
        return int(self.run.data.tags["trial"])

    @property
    def searched(self) -> float:
        """The value that the search found."""
        return float(self.run.data.metrics["best_value"])

    @property
    def mean(self) -> float:
        """Over the other seeds."""
        return mean(list(self.values.values()))

    @property
    def deviation(self) -> float:
        """Standard deviation over the other seeds."""
        return deviation(list(self.values.values()))


class Confirmation:
    """The leaders of a study, and the seeds to train them over.

    Args:
        reader: Where the study is.
        study: Its run.
        top: How many of its best settings.
        seeds: Over how many seeds; those that a leader was trained over before are among them.

    Attributes:
        leaders: The best settings, best first; fewer if there are no more.
        seeds: The seeds.
        left: Pairs of a leader and a seed that are still to be trained.

    Raises:
        NotFoundError: If no trial has completed, or a leader can't be trained again.
    """

    def __init__(self, reader: RunReader, study: Run, top: int, seeds: int) -> None:
        self._archive = reader
        self._study = study
        objective = objective_of(study)
        self.direction = objective.direction if objective else "minimize"
        trials = reader.trials(study)
        self.leaders = [Leader(run) for run in leaders(trials, self.direction)[:top]]
        if not self.leaders:
            name = study.data.tags["study"]
            raise NotFoundError(f"study {name} has no complete trial, so there is none to confirm")
        by_id = {leader.run.info.run_id: leader for leader in self.leaders}
        used = self._used(trials)
        for run in reader.confirmations(study):
            tags = run.data.tags
            if tags["confirms"] in by_id and tags["state"] == State.COMPLETE:
                by_id[tags["confirms"]].values[int(tags[SEED])] = run.data.metrics["best_value"]
        known = {seed for leader in self.leaders for seed in leader.values}
        self.seeds = other_seeds(used, known, seeds)
        self.left = [
            (one, seed) for seed in self.seeds for one in self.leaders if seed not in one.values
        ]
        for leader in self.leaders:
            for seed in leader.values.keys() - set(self.seeds):
                del leader.values[seed]

    def _used(self, trials: Sequence[Run]) -> set[int]:
        """The seeds of the search."""
        told = {int(run.data.tags[SEED]) for run in trials if SEED in run.data.tags}
        # Trials of an earlier version have no such tag.
        return told | {job_config(self._archive, one.run).seed for one in self.leaders}

    def run(
        self, executor: DictConfig = WORKERS, n_jobs: int | None = None
    ) -> Iterator[tuple[Leader, int, Trained]]:
        """Train what is left, and yield each as it ends.

        Raises:
            ConfigError: If a leader's config can't work, or its data have changed.
            NotFoundError: If a leader can't be trained again.
        """
        if not self.left:
            return
        name = f"confirm-{datetime.now():%Y-%m-%d_%H-%M-%S}"
        folder = Path(self._study.data.tags["folder"], name)
        trainings = [self._training(leader, seed, folder) for leader, seed in self.left]
        for number, trained in retrain(self._archive, trainings, executor, n_jobs):
            leader, seed = self.left[number]
            if trained.state == State.COMPLETE and trained.value is not None:
                leader.values[seed] = trained.value
            yield leader, seed, trained

    def _training(self, leader: Leader, seed: int, folder: Path) -> Training:
        return Training(
            leader.run,
            name=f"{leader.run.info.run_name} seed={seed}",
            folder=folder / f"{leader.trial}-{seed}",
            tags={"confirms": leader.run.info.run_id, "study": self._study.data.tags["study"]},
            kind=Kind.CONFIRMATION,
            parent=self._study.info.run_id,
            overrides=(f"{SEED}={seed}",),
        )

    def leads(self) -> list[Lead]:
        """The leader's lead over each of the others."""
        first, *others = self.leaders
        return [lead(first.values, other.values, self.direction) for other in others]

    @property
    def survives(self) -> bool | None:
        """Whether the leader is ahead of all others still; None if that can't be told."""
        leads = self.leads()
        if not leads or any(one.seeds < 2 for one in leads):
            return None
        return all(one.survives for one in leads)

    def verdict(self) -> str:
        """Whether the leader's lead survives, in a sentence, and how far that is to be trusted."""
        first, *others = self.leaders
        if not others:
            return "There is no other complete setting that it could be ahead of."
        leads = self.leads()
        fewest = min(one.seeds for one in leads)
        if fewest < 2:
            return "Whether the lead survives can't be told: it takes two seeds at least."
        told = "; ".join(
            f"{abs(one.mean):.4g} {'better' if one.mean > 0 else 'worse'} than trial "
            f"{other.trial} (standard error {one.error:.2g})"
            for other, one in zip(others, leads, strict=True)
        )
        does = "survives" if self.survives else "does not survive"
        return (
            f"The lead of trial {first.trial} {does} other seeds: on average it is {told}. "
            "A lead survives if the mean difference, paired by seed, is larger than twice its "
            f"standard error; with {fewest} seeds {chance(fewest):.0%} of equal settings look so."
        )

    def write(self) -> None:
        """Let MLflow's UI show it: metrics of the leaders and of the study, tags of the study."""
        tracker = self._archive.tracker
        for leader in self.leaders:
            if leader.values:
                tracker.add(leader.run.info.run_id, metrics=_metrics(leader), tags={})
        survives = {True: "true", False: "false", None: "unknown"}[self.survives]
        first = self.leaders[0]
        tracker.add(
            self._study.info.run_id,
            metrics=_metrics(first) if first.values else {},
            tags={
                "confirm.trials": " ".join(str(leader.trial) for leader in self.leaders),
                "confirm.survives": survives,
                "confirm.verdict": self.verdict(),
            },
        )


def leaders(trials: Sequence[Run], direction: str) -> list[Run]:
    """The best complete trial of every setting, best first.

    Args:
        trials: Runs of trials.
        direction: ``minimize`` or ``maximize``.
    """
    complete = [
        run
        for run in trials
        if run.data.tags.get("state") == State.COMPLETE and "best_value" in run.data.metrics
    ]
    complete.sort(key=lambda run: run.data.metrics["best_value"], reverse=direction == "maximize")
    best: dict[frozenset[tuple[str, str]], Run] = {}
    for run in complete:  # one that was run again with another seed is the same setting
        setting = {key: value for key, value in run.data.params.items() if key != SEED}
        best.setdefault(frozenset(setting.items()), run)
    return list(best.values())


def other_seeds(used: set[int], known: set[int], n: int) -> list[int]:
    """Seeds that a search never used: those that leaders were trained over, then the next ones.

    Args:
        used: The seeds of the search, at least one.
        known: The seeds that leaders were trained over before.
        n: How many are wanted.
    """
    again = sorted(known - used)
    new = count(max(used | known) + 1)
    return [*again, *islice(new, max(n - len(again), 0))][:n]


def _metrics(leader: Leader) -> dict[str, float]:
    found = {"confirm.mean": leader.mean, "confirm.seeds": len(leader.values)}
    return found | ({"confirm.std": leader.deviation} if len(leader.values) > 1 else {})
