"""`rnnexp studies`, `compare` and `diff` over two real studies and a run of another program."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rnnexp.cli import main
from tests.helpers.commands import Command, Ended

Rnnexp = Callable[..., Result]
ENVIRONMENT = {"python": "3.11.7", "packages": {"keras": "3.15.0"}, "machine": {"cores": 2}}


@pytest.fixture(scope="module")
def swept(app: Command) -> Ended:
    """A study that minimizes, with a trial that failed and one that says little; one that doesn't.

    The tags and the environment are those that a trial of Keras has.
    """
    settings = "{x:2},{x:2.5},{x:1},{x:5},{x:0}"  # the last is the worst
    ended = app(
        "-m", "hydra.sweeper.n_trials=5", "hydra.sweeper.study_name=low",
        f"hydra.sweeper.enqueue=[{settings}]",
    )  # fmt: skip
    app(
        "-m", "hydra.sweeper.n_trials=2", "hydra.sweeper.study_name=high",
        "hydra.sweeper.direction=maximize", path=ended.path,
    )  # fmt: skip
    client = ended.client
    for run in ended.runs("app"):
        if "trial" in run.data.tags:
            is_low = run.data.tags["study"] == "low"
            tags = {"objective": "min value" if is_low else "max value", "data": "d" * 32}
            for name, value in tags.items():
                client.set_tag(run.info.run_id, name, value)
            keras = "3.15.1" if run.data.tags["trial"] == "1" else "3.15.0"
            found = ENVIRONMENT | {"packages": {"keras": keras}}
            client.log_dict(run.info.run_id, found, "environment.json")
    low = [
        run
        for run in ended.runs("app")
        if run.data.tags["study"] == "low" and "trial" in run.data.tags
    ]
    for name, value in (("state", "FAIL"), ("reason", "ValueError: too\nmuch"), ("data", "e" * 32)):
        client.set_tag(low[4].info.run_id, name, value)
    (experiment,) = {run.info.experiment_id for run in low}
    other = client.create_run(experiment, run_name="other program").info.run_id
    client.set_tag(other, "is", "other")
    gone = client.create_run(experiment, tags={"is": "gone"}).info.run_id
    client.delete_run(gone)
    return ended


@pytest.fixture
def rnnexp(swept: Ended) -> Rnnexp:
    def run(*arguments: str) -> Result:
        uri = f"--tracking-uri=sqlite:///{swept.path}/mlflow.db"
        return CliRunner().invoke(main, [*arguments, uri])

    return run


def of(rnnexp: Rnnexp, *arguments: str) -> Any:
    told = rnnexp(*arguments, "--json")
    assert told.exit_code == 0, told.output
    assert told.output.count("\n") == 1
    return json.loads(told.output)


def ids(swept: Ended, study: str) -> list[str]:
    runs = swept.runs("app")
    return [
        run.info.run_id
        for run in runs
        if run.data.tags.get("study") == study and "trial" in run.data.tags
    ]


def tagged(swept: Ended, value: str) -> str:
    for view in (1, 2):  # active, deleted
        found = swept.client.search_runs(
            [swept.runs("app")[0].info.experiment_id], f"tags.is = '{value}'", view
        )
        if found:
            return str(found[0].info.run_id)
    raise LookupError(value)


def test_studies(rnnexp: Rnnexp, swept: Ended) -> None:
    high, low = of(rnnexp, "studies")
    assert (high["study"], low["study"]) == ("high", "low")
    assert low["best_value"] == swept.study("low").best_value
    assert low["best_trial"] == swept.study("low").best_trial.number
    assert (low["objective"], high["objective"]) == ("min value", "max value")
    assert low["trials"] == {"complete": 5, "pruned": 0, "fail": 0}
    head, first, second = rnnexp("studies").output.splitlines()
    assert head.split()[:3] == ["study", "when", "state"]
    assert first.startswith("high ") and second.startswith("low ")


def test_a_store_without_studies(swept: Ended, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    told = CliRunner().invoke(main, ["studies", "--tracking-uri", uri])
    assert told.exit_code == 1
    assert "there are no runs: there is no" in told.output
    type(swept.client)(uri).create_experiment("empty")
    told = CliRunner().invoke(main, ["studies", "--tracking-uri", uri])
    assert (told.exit_code, told.output) == (0, f"There are no studies in {uri}.\n")


def test_trials_are_ranked_and_exact_in_json(rnnexp: Rnnexp, swept: Ended) -> None:
    found = of(rnnexp, "compare", "low")
    study = swept.study("low")
    best = sorted(study.trials[:4], key=lambda trial: trial.value or 0.0)
    assert [trial["trial"] for trial in found["trials"]] == [*(t.number for t in best), 4]
    assert [trial["rank"] for trial in found["trials"]] == [1, 2, 3, 4, None]
    for trial in found["trials"]:
        assert trial["params"] == study.trials[trial["trial"]].params
        assert trial["metrics"]["best_value"] == study.trials[trial["trial"]].value
    assert found["trials"][4]["reason"] == "ValueError: too much"
    high = of(rnnexp, "compare", "high")["trials"]
    assert high[0]["metrics"]["best_value"] > high[1]["metrics"]["best_value"]


def test_the_table_has_what_differs_and_says_what_does_not(rnnexp: Rnnexp) -> None:
    head, best, data, *lines = rnnexp("compare", "low").output.splitlines()
    assert head == "Study low: min value, 5 trials (4 complete, 1 fail)."
    assert " is best: " in best
    assert data == "Their data differ, in 2 ways: so may what a value means."
    table = lines[-6:]
    assert table[0].split()[:4] == ["trial", "best_value", "state", "x"]
    assert table[-1].endswith("ValueError: too much")
    shared = rnnexp("compare", "low", "--where", "state = 'COMPLETE'", "--top", "2")
    assert "The same in all: state=COMPLETE" in shared.output


def test_filter_order_and_top(rnnexp: Rnnexp, swept: Ended) -> None:
    trials = swept.study("low").trials
    found = of(rnnexp, "compare", "low", "--where", "x > 1 and state = 'COMPLETE'", "--sort", "-x")
    wanted = sorted((t for t in trials[:4] if t.params["x"] > 1), key=lambda t: -t.params["x"])
    assert [trial["trial"] for trial in found["trials"]] == [trial.number for trial in wanted]
    assert len(of(rnnexp, "compare", "low", "--top", "2")["trials"]) == 2
    none = rnnexp("compare", "low", "--where", "x > 99")
    assert none.exit_code == 0
    assert none.output.endswith("0 of them where x > 99.\n")
    metric = rnnexp("compare", "low", "--sort", "value").output
    assert " value " in metric.splitlines()[-6]
    one = rnnexp("compare", "low", "--top", "1").output.splitlines()
    assert one[-2].split()[:5] == ["trial", "best_value", "state", "x", "rate"]


def test_runs_side_by_side(rnnexp: Rnnexp, swept: Ended) -> None:
    trials = swept.study("low").trials
    found = of(rnnexp, "compare", "low/0", ids(swept, "low")[1][:12])
    assert [run["name"] for run in found["runs"]] == ["low/0", "low/1"]
    for run, trial in zip(found["runs"], trials, strict=False):
        assert run["settings"]["x"] == trial.params["x"]
        assert run["curves"]["value"] == [list(p) for p in trial.intermediate_values.items()]
    assert found["not_ranked"] == []
    text = rnnexp("compare", "low/0", "low/1").output
    assert text.startswith("min value: ")
    assert "a low/0" in text and "b low/1" in text
    assert "(value)" in text


def test_studies_stand_for_their_best(rnnexp: Rnnexp, swept: Ended) -> None:
    best = swept.study("low").best_trial.number
    found = of(rnnexp, "compare", "low", "high")
    assert found["runs"][0]["name"] == f"low/{best}"
    assert found["not_ranked"] == ["their objectives differ (a: min value, b: max value)"]
    text = rnnexp("compare", "low", "high").output
    assert text.startswith("Not ranked: their objectives differ (a: min value, b: max value).")
    assert "is best" not in text
    found = of(rnnexp, "compare", "low", "high", "--top", "2", "--where", "x > -1")
    assert len(found["runs"]) == 4


def test_different_data_are_not_ranked(rnnexp: Rnnexp) -> None:
    text = rnnexp("compare", "low/0", "low/4").output
    assert text.startswith(
        "Not ranked: their data differ (a: dddddddddddddddd, b: eeeeeeeeeeeeeeee)."
    )


def test_what_differs(rnnexp: Rnnexp, swept: Ended) -> None:
    trials = swept.study("low").trials
    found = of(rnnexp, "diff", "low/0", "low/1")
    assert found["config"]["x"] == [trials[0].params["x"], trials[1].params["x"]]
    assert found["packages"] == {"keras": ["3.15.0", "3.15.1"]}
    assert (found["data"], found["machine"], found["unknown"]) == ({}, {}, [])
    lines = rnnexp("diff", "low/0", "low/1").output.splitlines()
    assert lines[1].split() == ["config", "x", *(str(t.params["x"]) for t in trials[:2])]
    assert lines[-1].split() == ["packages", "keras", "3.15.0", "3.15.1"]


def test_no_difference(rnnexp: Rnnexp) -> None:
    told = rnnexp("diff", "low/2", "low/2")
    assert (told.exit_code, told.output) == (0, "no difference\n")


def test_what_one_run_has_not_noted(rnnexp: Rnnexp, swept: Ended) -> None:
    run = ids(swept, "high")[1]
    swept.client.delete_tag(run, "data")
    swept.client.log_dict(run, {}, "environment.json")
    told = rnnexp("diff", "high/0", "high/1")
    assert told.exit_code == 0
    assert told.output.endswith(
        "Only one of them has noted its data, packages, machine: not compared.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("compare lwo", "no study or run lwo in .*STUDY/NUMBER; did you mean low"),
        ("compare low/7 low/1", "study low has no trial 7; there are 0 to 4"),
        ("compare low/1", "low/1 is one run; give another to compare it with"),
        ("compare low/1 low/1", "is one run; give another"),
        ("compare low --where xx=1", "no column xx; columns are .*; did you mean x"),
        ("compare low --where x=", r"--where 'x=' can't be read: .*; give a condition as in SQL"),
        ("compare low --sort ratee", "no column ratee; .*did you mean rate"),
        ("compare low/0 low/1 --sort x", "--sort is for the trials of one study"),
        ("compare low/0 low/1 --top 2", "--where and --top are for trials of studies"),
        ("compare low high --where x>99", "study low has no completed trial where x>99"),
        ("compare low OTHER", "run .* has no config.yaml"),
        ("diff low/0 OTHER", "run .* has no config.yaml"),
        ("diff low/0 GONE", "was deleted in MLflow; to have it back: mlflow runs restore"),
        ("compare GONE", "was deleted in MLflow"),
        ("diff low/0 it's", "there is no study or run it's"),
    ],
)
def test_what_can_not_be_compared(rnnexp: Rnnexp, swept: Ended, arguments: str, told: str) -> None:
    given = [tagged(swept, word.lower()) if word.isupper() else word for word in arguments.split()]
    found = rnnexp(*given)
    assert found.exit_code == 1
    assert found.output.count("\n") == 1, found.output
    assert re.search(told, found.output), found.output


def test_an_ambiguous_name(rnnexp: Rnnexp, app: Command, swept: Ended) -> None:
    app("-m", "hydra.sweeper.n_trials=1", "hydra.sweeper.study_name=lower", path=swept.path)
    assert of(rnnexp, "compare", "low")["study"] == "low"
    told = rnnexp("compare", "lo")
    assert told.exit_code == 1
    assert "study or run lo can be any of 2: " in told.output
    assert "(lower)" in told.output
