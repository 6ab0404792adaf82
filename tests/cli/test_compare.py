"""`rnnexp studies`, `compare` and `diff` over two real studies and a run of another program."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rnnexp.cli import main
from rnnexp.identity import Identity
from tests.helpers.commands import Command, Ended
from tests.helpers.measuring_app import CONSTRAINTS, OBJECTIVES, sweep_of_five

Rnnexp = Callable[..., Result]
ENVIRONMENT = {"python": "3.11.7", "packages": {"keras": "3.15.0"}, "machine": {"cores": 2}}


@pytest.fixture(scope="module")
def swept(app: Command) -> Ended:
    """Run a study that minimizes, of which a trial fails, and a study that maximizes.

    The trials get the tags and the environment of a trial that trains with Keras.
    """
    params = "{x:2},{x:2.5},{x:1},{x:5},{x:0}"  # the last is the worst
    ended = app(
        "-m", "hydra.sweeper.n_trials=5", "hydra.sweeper.study_name=low",
        f"hydra.sweeper.enqueue=[{params}]",
    )  # fmt: skip
    app(
        "-m", "hydra.sweeper.n_trials=2", "hydra.sweeper.study_name=high",
        "hydra.sweeper.direction=maximize", path=ended.path,
    )  # fmt: skip
    client = ended.client
    for run in ended.runs("app"):
        if "trial" in run.data.tags:
            is_low = run.data.tags["study"] == "low"
            objective = "min value" if is_low else "max value"
            identity = str(Identity(objective, rows="d"))
            tags = {"objective": objective, "data": "d" * 32, "identity": identity}
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
    for name, value in (("state", "FAIL"), ("reason", "ValueError: too\nmuch")):
        client.set_tag(low[4].info.run_id, name, value)
    client.set_tag(low[3].info.run_id, "identity", str(Identity("min value", rows="e")))
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


@pytest.fixture(scope="module")
def several(command: Command) -> Rnnexp:
    """Give the commands on studies of the same trials: by two objectives, with constraints."""
    given = {
        "both": (OBJECTIVES, CONSTRAINTS),
        "small": (CONSTRAINTS,),
        "none": (OBJECTIVES, "+constraints=['size < 10']"),
    }
    path: Path | None = None
    for study, overrides in given.items():
        ended = sweep_of_five(command, *overrides, study=study, path=path)
        path = ended.path
        assert ended.code == (study == "none"), ended.err

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, [*arguments, f"--tracking-uri=sqlite:///{path}/mlflow.db"])

    return run


def json_of(rnnexp: Rnnexp, *arguments: str) -> Any:
    result = rnnexp(*arguments, "--json")
    assert result.exit_code == 0, result.output
    assert result.output.count("\n") == 1
    return json.loads(result.output)


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
    high, low = json_of(rnnexp, "studies")
    assert (high["schema"], low["schema"]) == (1, 1)
    assert (high["study"], low["study"]) == ("high", "low")
    assert low["best_value"] == swept.study("low").best_value
    assert low["best_trial"] == swept.study("low").best_trial.number
    assert (low["objective"], high["objective"]) == ("min value", "max value")
    assert low["trials"] == {"complete": 5, "pruned": 0, "fail": 0, "paused": 0}
    head, first, second = rnnexp("studies").output.splitlines()
    assert head.split()[:3] == ["study", "when", "state"]
    assert first.startswith("high ") and second.startswith("low ")
    assert "paused" not in head.split()


def test_paused_trials(app: Command) -> None:
    """While a sweep runs, or after it was interrupted."""
    ended = app("-m", "hydra.sweeper.n_trials=3", "hydra.sweeper.study_name=s")
    parent, *runs = ended.runs("app")
    ended.client.log_metric(parent.info.run_id, "trials_paused", 1, step=3)
    ended.client.set_tag(runs[1].info.run_id, "state", "PAUSED")
    ended.client.set_terminated(runs[1].info.run_id, "SCHEDULED")
    uri = f"--tracking-uri=sqlite:///{ended.path}/mlflow.db"

    def output(*arguments: str) -> str:
        return CliRunner().invoke(main, [*arguments, uri]).output

    head, row = (line.split() for line in output("studies").splitlines())
    assert row[head.index("paused") + 1] == "1"  # the time has a space in it
    compared = output("compare", "s").splitlines()
    assert "3 trials (2 complete, 1 paused)" in compared[0]
    assert compared[-1].split()[0] == "1"
    only = output("compare", "s", "--where", "state = 'PAUSED'")
    assert "1 of them where state = 'PAUSED'." in only
    assert "is best" not in only  # it has no rank


def test_a_study_of_another_schema_version(
    app: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"--tracking-uri=sqlite:///{tmp_path}/mlflow.db"
    run_one = ("-m", "hydra.sweeper.n_trials=1")
    with monkeypatch.context() as patch:
        patch.setattr("rnnexp.storage.schema.VERSION", 2)
        app(*run_one, "hydra.sweeper.study_name=newer", path=tmp_path)
    app(*run_one, "hydra.sweeper.study_name=mine", path=tmp_path)
    mine, newer = json.loads(CliRunner().invoke(main, ["studies", "--json", uri]).output)
    assert (mine["study"], mine["schema"]) == ("mine", 1)
    assert (newer["study"], newer["schema"]) == ("newer", 2)
    results = newer.keys() - {"study", "run_id", "schema", "began"}
    assert results == mine.keys() - {"study", "run_id", "schema", "began"}
    states = dict.fromkeys(("complete", "pruned", "fail", "paused"))
    assert {name: newer[name] for name in results} == {
        **dict.fromkeys(results), "trials": states, "test": {}
    }  # fmt: skip
    table = CliRunner().invoke(main, ["studies", uri])
    assert table.exit_code == 0
    _, first, second = table.output.splitlines()
    assert "not readable" not in first
    assert re.fullmatch(r"newer +[\d-]+ [\d:]+ +schema version 2, not readable", second)
    for command in (
        ["compare", "newer"],
        ["compare", "mine/0", "newer/0"],
        ["diff", "newer", "mine"],
    ):
        refused = CliRunner().invoke(main, [*command, uri])
        assert refused.exit_code == 1
        assert refused.output.count("\n") == 1
        assert re.match(
            "Error: study newer has schema version 2, but this rnnexp reads version 1: ",
            refused.output,
        )


def test_a_store_without_studies(swept: Ended, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    result = CliRunner().invoke(main, ["studies", "--tracking-uri", uri])
    assert result.exit_code == 1
    assert "there are no runs: there is no" in result.output
    type(swept.client)(uri).create_experiment("empty")
    result = CliRunner().invoke(main, ["studies", "--tracking-uri", uri])
    assert (result.exit_code, result.output) == (0, f"There are no studies in {uri}.\n")


def test_trials_are_ranked_and_exact_in_json(rnnexp: Rnnexp, swept: Ended) -> None:
    found = json_of(rnnexp, "compare", "low")
    study = swept.study("low")
    best = sorted(study.trials[:4], key=lambda trial: trial.value or 0.0)
    assert [trial["trial"] for trial in found["trials"]] == [*(t.number for t in best), 4]
    assert [trial["rank"] for trial in found["trials"]] == [1, 2, 3, 4, None]
    for trial in found["trials"]:
        assert trial["params"] == study.trials[trial["trial"]].params
        assert trial["metrics"]["best_value"] == study.trials[trial["trial"]].value
    assert found["trials"][4]["reason"] == "ValueError: too much"
    high = json_of(rnnexp, "compare", "high")["trials"]
    assert high[0]["metrics"]["best_value"] > high[1]["metrics"]["best_value"]


def test_the_table_has_only_columns_that_differ(rnnexp: Rnnexp) -> None:
    head, best, data, *lines = rnnexp("compare", "low").output.splitlines()
    assert head == "Study low: min value, 5 trials (4 complete, 1 fail)."
    assert " is best: " in best
    assert data == (
        "The values of the trials can't be compared: their sets of rows differ (trial 0, trial 1, "
        "trial 2: d, trial 3: e)."
    )
    table = lines[-6:]
    assert table[0].split()[:4] == ["trial", "best_value", "state", "x"]
    assert table[-1].endswith("ValueError: too much")
    shared = rnnexp("compare", "low", "--where", "state = 'COMPLETE'", "--top", "2")
    assert "The same in all: state=COMPLETE" in shared.output


def test_filter_order_and_top(rnnexp: Rnnexp, swept: Ended) -> None:
    trials = swept.study("low").trials
    found = json_of(
        rnnexp, "compare", "low", "--where", "x > 1 and state = 'COMPLETE'", "--sort", "-x"
    )
    wanted = sorted((t for t in trials[:4] if t.params["x"] > 1), key=lambda t: -t.params["x"])
    assert [trial["trial"] for trial in found["trials"]] == [trial.number for trial in wanted]
    assert len(json_of(rnnexp, "compare", "low", "--top", "2")["trials"]) == 2
    none = rnnexp("compare", "low", "--where", "x > 99")
    assert none.exit_code == 0
    assert none.output.endswith("0 of them where x > 99.\n")
    metric = rnnexp("compare", "low", "--sort", "value").output
    assert " value " in metric.splitlines()[-6]
    one = rnnexp("compare", "low", "--top", "1").output.splitlines()
    assert one[-2].split()[:5] == ["trial", "best_value", "state", "x", "rate"]


WINS = (
    "of the trials on the Pareto front that meet size < 10000 whose loss is within 1 % of the "
    "best, the one with the least size wins."
)


@pytest.mark.parametrize(
    ("study", "lines", "numbers"),
    [
        (
            "both",
            [
                "Study both: min loss, min size, where size < 10000, 5 trials (5 complete).",
                "Trial 1 is best: loss 0.201, size 3000.",
                f"On the Pareto front: 1, 0, 2; {WINS}",
            ],
            "1 0 2 3 4",
        ),
        (
            "small",
            [
                "Study small: min value, where size < 10000, 5 trials (5 complete).",
                "Trial 0 is best: 0.2000, 0.001 ahead of trial 1 (0.2010).",
            ],
            "0 1 2 3 4",
        ),
        (
            "none",
            ["Study none: min loss, min size, where size < 10, 5 trials (5 complete)."],
            "4 0 1 2 3",
        ),
    ],
)
def test_the_winner_of_several_objectives_and_the_front(
    several: Rnnexp, study: str, lines: list[str], numbers: str
) -> None:
    found = several("compare", study).output.splitlines()
    assert found[: len(lines)] == lines
    assert found[len(lines)].startswith("The same in all: ")
    head, *rows = (line.split() for line in found[-6:])
    assert head[:4] == ["trial", "best_value", "best.size", "x"]
    assert " ".join(row[0] for row in rows) == numbers
    assert rows[0][1:3] == {"1": ["0.2010", "3000.0"], "0": ["0.2000", "9000.0"]}.get(
        rows[0][0], ["0.1000", "20000.0"]
    )


@pytest.mark.parametrize(
    ("study", "objective", "objectives", "ranks"),
    [
        (
            "both", "min loss",
            {"others": ["min size"], "constraints": ["size < 10000"], "tolerance": 0.01},
            {1: 1, 0: 2, 2: 3, 3: 4, 4: None},
        ),
        (
            "small", "min value",
            {"others": [], "constraints": ["size < 10000"], "tolerance": 0.01},
            {0: 1, 1: 2, 2: 3, 3: 4, 4: None},
        ),
    ],
)  # fmt: skip
def test_objectives_and_ranks_in_json(
    several: Rnnexp,
    study: str,
    objective: str,
    objectives: dict[str, object],
    ranks: dict[int, int | None],
) -> None:
    found = json_of(several, "compare", study)
    assert (found["objective"], found["objectives"]) == (objective, objectives)
    assert {trial["trial"]: trial["rank"] for trial in found["trials"]} == ranks
    assert list(ranks) == [trial["trial"] for trial in found["trials"]]


def test_a_study_of_one_objective_in_json(rnnexp: Rnnexp) -> None:
    found = json_of(rnnexp, "compare", "low")["objectives"]
    assert found == {"others": [], "constraints": [], "tolerance": 0.01}


def test_filters_choose_from_which_trials_the_front_is(several: Rnnexp) -> None:
    text = several("compare", "both", "--where", "x > 0.205 and `best.size` < 9000").output
    assert "\nTrial 2 is best: loss 0.3, size 1000.\n" in text
    assert "\nOn the Pareto front: 2; of the trials" in text


def test_a_study_by_several_objectives_is_represented_by_its_winner(several: Rnnexp) -> None:
    found = json_of(several, "compare", "both", "small")["runs"]
    assert [run["name"] for run in found] == ["both/1", "small/0"]
    found = json_of(several, "compare", "both", "--top", "5", "small/4")["runs"]
    assert [run["name"] for run in found] == ["both/1", "both/0", "both/2", "both/3", "small/4"]
    refused = several("compare", "none", "both")
    assert (refused.exit_code, refused.output) == (
        1, "Error: study none has no completed trial that meets its constraints\n",
    )  # fmt: skip


def test_runs_side_by_side(rnnexp: Rnnexp, swept: Ended) -> None:
    trials = swept.study("low").trials
    found = json_of(rnnexp, "compare", "low/0", ids(swept, "low")[1][:12])
    assert [run["name"] for run in found["runs"]] == ["low/0", "low/1"]
    for run, trial in zip(found["runs"], trials, strict=False):
        assert run["settings"]["x"] == trial.params["x"]
        assert run["curves"]["value"] == [list(p) for p in trial.intermediate_values.items()]
    assert found["not_ranked"] == []
    text = rnnexp("compare", "low/0", "low/1").output
    assert text.startswith("min value: ")
    assert "a low/0" in text and "b low/1" in text
    assert "(value)" in text


def test_the_best_trials_are_shown_in_place_of_a_study(rnnexp: Rnnexp, swept: Ended) -> None:
    best = swept.study("low").best_trial.number
    found = json_of(rnnexp, "compare", "low", "high")
    assert found["runs"][0]["name"] == f"low/{best}"
    assert found["not_ranked"] == ["their objectives differ (a: min value, b: max value)"]
    text = rnnexp("compare", "low", "high").output
    assert text.startswith("Not ranked: their objectives differ (a: min value, b: max value).")
    assert "is best" not in text
    found = json_of(rnnexp, "compare", "low", "high", "--top", "2", "--where", "x > -1")
    assert len(found["runs"]) == 4


def test_different_data_are_not_ranked(rnnexp: Rnnexp) -> None:
    text = rnnexp("compare", "low/0", "low/3").output
    assert text.startswith("Not ranked: their sets of rows differ (a: d, b: e).")


def test_diff_shows_what_differs(rnnexp: Rnnexp, swept: Ended) -> None:
    trials = swept.study("low").trials
    found = json_of(rnnexp, "diff", "low/0", "low/1")
    assert found["config"]["x"] == [trials[0].params["x"], trials[1].params["x"]]
    assert found["packages"] == {"keras": ["3.15.0", "3.15.1"]}
    assert (found["data"], found["machine"], found["unknown"]) == ({}, {}, [])
    lines = rnnexp("diff", "low/0", "low/1").output.splitlines()
    assert lines[1].split() == ["config", "x", *(str(t.params["x"]) for t in trials[:2])]
    assert lines[-1].split() == ["packages", "keras", "3.15.0", "3.15.1"]


def test_no_difference(rnnexp: Rnnexp) -> None:
    result = rnnexp("diff", "low/2", "low/2")
    assert (result.exit_code, result.output) == (0, "no difference\n")


def test_facts_that_one_run_has_not_stored(rnnexp: Rnnexp, swept: Ended) -> None:
    run = ids(swept, "high")[1]
    swept.client.delete_tag(run, "data")
    swept.client.log_dict(run, {}, "environment.json")
    result = rnnexp("diff", "high/0", "high/1")
    assert result.exit_code == 0
    assert result.output.endswith(
        "Not compared, since only one of the runs has stored it: data, packages, machine.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("compare lwo", "no study or run lwo in .*STUDY/NUMBER; did you mean low"),
        ("compare low/7 low/1", "study low has no trial 7; there are 0 to 4"),
        ("compare low/1", "low/1 is one run; give another to compare it with"),
        ("compare low/1 low/1", "is one run; give another"),
        ("compare low --where xx=1", "no column xx; columns are .*; did you mean x"),
        ("compare low --where x=", r"--where 'x=' can't be read: .*; give a condition as in SQL"),
        ("compare low --sort ratee", "no column ratee; .*did you mean rate"),
        ("compare low/0 low/1 --sort x", "--sort is for the trials of one study"),
        ("compare low/0 low/1 --top 2", "--where and --top are for the trials of studies"),
        ("compare low high --where x>99", "study low has no completed trial where x>99"),
        ("compare low OTHER", "run .* has no config.yaml"),
        ("diff low/0 OTHER", "run .* has no config.yaml"),
        ("diff low/0 GONE", "was deleted in MLflow; to restore it: .*mlflow runs restore"),
        ("compare GONE", "was deleted in MLflow"),
        ("diff low/0 it's", "there is no study or run it's"),
    ],
)
def test_questions_that_are_refused(
    rnnexp: Rnnexp, swept: Ended, arguments: str, message: str
) -> None:
    given = [tagged(swept, word.lower()) if word.isupper() else word for word in arguments.split()]
    found = rnnexp(*given)
    assert found.exit_code == 1
    assert found.output.count("\n") == 1, found.output
    assert re.search(message, found.output), found.output


def test_an_ambiguous_name(rnnexp: Rnnexp, app: Command, swept: Ended) -> None:
    app("-m", "hydra.sweeper.n_trials=1", "hydra.sweeper.study_name=lower", path=swept.path)
    assert json_of(rnnexp, "compare", "low")["study"] == "low"
    result = rnnexp("compare", "lo")
    assert result.exit_code == 1
    assert "study or run lo can be any of 2: " in result.output
    assert "(lower)" in result.output
