import re
from pathlib import Path

import pytest

from rnnexp.sweep.dry_run import estimate
from tests.helpers.commands import Command, Ended

NAMED = ("-m", "hydra.sweeper.study_name=s", "+hydra.sweeper.sampler.seed=3")
DRY = "hydra.sweeper.dry_run=true"


@pytest.mark.parametrize(
    ("took", "left", "n_jobs", "timeout", "text"),
    [
        ([], 5, 1, None, "unknown, since no trial of the study has ended yet"),
        ([], 5, 1, 60.0, "unknown, since no trial of the study has ended yet; "
         "no trial begins after 1:00"),
        ([10.0], None, 1, None, "unknown, since the number of trials has no limit"),
        ([10.0, 20.0], 4, 1, None, "about 1:00 for 4 trials, by the mean of 2 trials"),
        ([10.0, 20.0], 4, 2, None, "about 0:30 for 4 trials, by the mean of 2 trials"),
        ([10.0], 1, 8, None, "about 0:10 for 1 trials, by the mean of 1 trials"),
        ([10.0], 0, 8, None, "about 0:00 for 0 trials, by the mean of 1 trials"),
    ],
)  # fmt: skip
def test_the_time(
    took: list[float], left: int | None, n_jobs: int, timeout: float | None, text: str
) -> None:
    assert estimate(took, left, n_jobs, timeout) == text


def contents(path: Path) -> dict[str, bytes | None]:
    return {str(f): f.read_bytes() if f.is_file() else None for f in path.rglob("*")}


def drawn(ended: Ended) -> list[str]:
    """Return the lines of the trials."""
    return [line.strip() for line in ended.out.splitlines() if re.match(r"  \d+: ", line)]


def tried(ended: Ended) -> list[str]:
    return [
        f"{trial.number}: " + " ".join(f"{key}={value}" for key, value in trial.params.items())
        for trial in ended.study("s").trials
    ]


@pytest.mark.slow
def test_a_dry_run_shows_what_a_sweep_tries_and_writes_nothing(app: Command) -> None:
    enqueue = "hydra.sweeper.enqueue=[{x:2.5,rate:0.2}]"
    dry = app(*NAMED, "hydra.sweeper.n_trials=4", enqueue, DRY)
    assert dry.code == 0, dry.err
    assert dry.files() == set()
    for text in (
        "The first 4 trials", "Time: unknown, since no trial of the study has ended yet",
        "the study s (new) to sqlite:///optuna.db", "mlflow.db, in app", "multirun",
    ):  # fmt: skip
        assert text in dry.out
    ended = app(*NAMED, "hydra.sweeper.n_trials=4", enqueue, path=dry.path)
    assert ended.code == 0, ended.err
    assert drawn(dry) == tried(ended)

    # A resume draws with what the study has found; the first draw follows from that alone.
    before = contents(ended.path)
    more = ("-m", "hydra.sweeper.resume=s", "+hydra.sweeper.sampler.seed=3", enqueue)
    again = app(*more, "hydra.sweeper.n_trials=30", DRY, path=ended.path)
    assert again.code == 0, again.err
    assert contents(ended.path) == before
    assert len(drawn(again)) == 10
    assert "for 26 trials, by the mean of 4 trials" in again.out
    resumed = app(*more, "hydra.sweeper.n_trials=5", path=ended.path)
    assert drawn(again)[0] == tried(resumed)[4]


def test_what_is_wrong_is_told_as_ever(app: Command) -> None:
    refused = app(*NAMED, DRY, "x=choice(1,2)", "hydra.sweeper.n_trials=0")
    assert refused.code == 1
    assert "hydra.sweeper.n_trials=0" in refused.err
    assert refused.files() == set()


def test_the_sizes_of_models(command: Command) -> None:
    embedding = 4
    dry = command(
        *NAMED[:2], DRY, "sampler=grid", "hydra.sweeper.params=null", "model.units=choice(4,8)"
    )
    assert dry.code == 0, dry.err
    assert dry.files() == set()
    found = [re.fullmatch(r"\d: model.units=(\d) \((\S+) parameters\)", row) for row in drawn(dry)]
    sizes = {int(row[1]): int(row[2].replace(",", "")) for row in found if row}
    # Of the recurrent layer and the last one; the embedding is the same.
    own = {units: units * (embedding + units + 1) + units + 1 for units in (4, 8)}
    assert sizes[8] - sizes[4] == own[8] - own[4]
