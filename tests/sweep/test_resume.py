"""A study goes on only on the data, and under the name, that it began with."""

from pathlib import Path

import pytest

from tests.helpers.commands import EAGER, Command, Ended

SWEEP = (
    "-m", "hydra.sweeper.params=null", "model.units=choice(3,4)", "hydra.sweeper.study_name=s",
    "fit.epochs=1", EAGER,
)  # fmt: skip
RESUME = (*SWEEP, "hydra.sweeper.resume=s", "hydra.sweeper.n_trials=2")


def write(folder: Path) -> list[str]:
    """Write files of reviews; return the overrides that name them."""
    rows = "".join(f"{'good' if n % 2 else 'bad'} film {n},{n % 2}\n" for n in range(40))
    for name in ("train", "test"):
        (folder / f"{name}.csv").write_text(f"text,label\n{rows}")
    files = [f"data.{name}={name}.csv" for name in ("train", "test")]
    return ["data=table", *files, "data.maxlen=8", "model.embedding_size=4"]


@pytest.fixture(scope="module")
def began(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A sweep of two trials, after whose first another program appends to the training file."""
    folder = tmp_path_factory.mktemp("folder")
    append = (
        f"{{_target_:tests.helpers.failing.AppendAtEnd,file:{folder}/train.csv,rows:'new,1\n'}}"
    )
    return command(
        *SWEEP, *write(folder), f"+callbacks.append={append}", "hydra.sweeper.n_trials=2",
        tiny=False, path=folder,
    )  # fmt: skip


def test_a_file_that_changes_while_a_sweep_runs(began: Ended) -> None:
    _, first, second = began.runs()
    assert (first.data.tags["state"], second.data.tags["state"]) == ("COMPLETE", "FAIL")
    reason = second.data.tags["reason"]
    assert f"data.train={began.path}/train.csv had 5" in reason
    assert ", now it has 5" in reason
    # Nor is the best trial evaluated with other data, which have another vocabulary.
    assert began.code == 1
    assert "the end of the sweep failed: evaluate: NotFoundError: " in began.err
    assert (
        "can't be evaluated: the data have changed since it was trained: the fingerprint was"
        in (began.err)
    )
    assert not [name for name in began.runs()[0].data.metrics if name.startswith("test_")]


def test_a_resume_on_other_data_is_refused(command: Command, began: Ended) -> None:
    before = began.files()
    append = (
        f"{{_target_:tests.helpers.failing.AppendAtEnd,file:{began.path}/train.csv,rows:'new,1\n'}}"
    )
    data = ["data=table", "data.train=train.csv", "data.test=test.csv", "data.maxlen=8"]
    ended = command(
        *RESUME, *data, "model.embedding_size=4", f"+callbacks.append={append}",
        tiny=False, path=began.path,
    )  # fmt: skip
    assert ended.code == 1
    assert "hydra.sweeper.resume=s: the study is another one: data.train=" in ended.err
    assert " had 5" in ended.err and ", now it has 5" in ended.err
    assert "1 problem in the input" in ended.err
    assert began.files() == before


def test_another_name_of_the_model_is_refused(command: Command, tmp_path: Path) -> None:
    first = command(*SWEEP, "hydra.sweeper.n_trials=1", path=tmp_path)
    assert first.code == 0, first.err
    ended = command(*RESUME, "hydra.sweeper.registered_model_name=other", path=tmp_path)
    assert ended.code == 1
    assert "hydra.sweeper.registered_model_name was s, now it is other" in ended.err
    resumed = command(*RESUME, path=tmp_path)
    assert resumed.code == 0, resumed.err
