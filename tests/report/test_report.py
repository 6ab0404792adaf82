import math
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from html import unescape
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result as Invoked
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE
from optuna.trial import FrozenTrial, TrialState, create_trial

from rnnexp.cli import main
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.report import pages
from rnnexp.report.files import write_report
from rnnexp.report.plots import lanes, plots_of
from rnnexp.report.reporter import Reporter, pause
from rnnexp.report.savings import saved
from rnnexp.report.snapshot import Snapshot, Spent, snapshot_of
from rnnexp.result import Result, State
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.schema import Artifacts, StudyAttrs, TrialAttrs
from tests.helpers.commands import Command, Ended
from tests.helpers.trials import LR, NOON, RATE, SPACE, UNITS, at, study_of, trial

ALL = {
    "Optimization history", "Values by epoch", "Parameter importances", "Parallel coordinates",
    "Slices", "Timeline",
}  # fmt: skip


@pytest.fixture
def snapshot() -> Snapshot:
    return snapshot_of(
        study_of(
            trial(0.5, values=(0.9, 0.6, 0.5, 0.5), best_epoch=2, params={LR: 0.001, UNITS: 32}),
            trial(0.3, values=(0.7, 0.3), start=1, best_epoch=1, params={LR: 0.003, UNITS: 64}),
            trial(
                0.8, state=TrialState.PRUNED, values=(0.8,), start=10, seconds=2,
                params={LR: 0.0002, UNITS: 64}, reason="pruned | behind",
            ),
            trial(state=TrialState.FAIL, start=12, seconds=1, reason="ValueError:\nno"),
            trial(state=TrialState.RUNNING, values=(0.4,), start=12, params={LR: 0.002}),
            create_trial(state=TrialState.WAITING),
        ),
        overrides=["lr=0.003", "x='a b'"],
        scores={"loss": 0.33333},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spans", "slots"),
    [
        ([], []),
        ([(0, 5), (0, 3), (3, 6), (5, 8)], [1, 0, 0, 1]),
        ([(0, 5), (1, 3), (2, 4), (4, 6)], [0, 1, 2, 1]),
        ([(4, 6), (0, 5)], [1, 0]),  # in any order
        ([(0, 2), (2, 2), (2, 4)], [0, 0, 0]),
    ],
)
def test_lanes(spans: list[tuple[int, int]], slots: list[int]) -> None:
    assert lanes([(at(start), at(end)) for start, end in spans]) == slots


def test_what_a_snapshot_shows(snapshot: Snapshot) -> None:
    assert snapshot.best
    assert snapshot.best.number == 1
    assert [(row.best_value, row.best_epoch, row.epochs, row.seconds) for row in snapshot.rows] == [
        (0.5, 2, 4, 10), (0.3, 1, 2, 10), (0.8, 0, 1, 2), (None, None, 0, 1), (0.4, 0, 1, None),
    ]  # fmt: skip
    assert snapshot.spent == {
        "COMPLETE": Spent(2, 6, 20),
        "PRUNED": Spent(1, 1, 2),
        "FAIL": Spent(1, 0, 1),
        "RUNNING": Spent(1, 1, 1),  # until the last known moment
    }
    assert saved(snapshot) == (2, 4)  # two epochs to the median of three, two seconds each
    assert snapshot.command == "python sweep.py lr=0.003 'x='\"'\"'a b'\"'\"''"


@pytest.mark.parametrize(
    ("complete", "pruned", "found"),
    [
        ((), (1,), None),
        ((4, 4), (), None),
        ((4, 4), (0,), None),  # pruned before its first epoch, or by a constraint
        ((3, 4, 9), (1, 2), (5, 40.0)),  # 3 epochs of 10 seconds, and 2 of 5 seconds
        ((4,), (4, 6), (0, 0.0)),
        ((2, 5), (1,), (3, 30.0)),  # to the median, rounded to an even number
    ],
)
def test_what_pruning_has_saved(
    complete: tuple[int, ...], pruned: tuple[int, ...], found: tuple[int, float] | None
) -> None:
    """Each pruned trial took ten seconds."""
    trials = [trial(0.5, values=(0.5,) * epochs) for epochs in complete]
    trials += [trial(0.9, state=PRUNED, values=(0.9,) * epochs) for epochs in pruned]
    assert saved(snapshot_of(study_of(*trials))) == found


def test_the_time_between_attempts_is_not_counted() -> None:
    weekend = 216_000.0
    pruned = trial(0.8, state=TrialState.PRUNED, values=(0.9, 0.8), seconds=weekend)
    result = Result(State.PRUNED, 0.8, 1, "behind", seconds=20.0)
    pruned.user_attrs[TrialAttrs.RESULT] = result.to_json()
    # A later attempt of these two began a second before the end of the first one.
    clock = {TrialAttrs.CLOCK: {"seconds": 7.0, "since": at(weekend - 1).isoformat()}}
    died = trial(state=TrialState.FAIL, seconds=weekend, reason="its worker process died")
    running = trial(state=TrialState.RUNNING, values=(0.4,))
    for made in (died, running):
        made.user_attrs.update(clock)
    complete = trial(0.5, values=(0.9, 0.6, 0.5, 0.5))
    found = snapshot_of(study_of(complete, pruned, died, running))
    assert found.spent["PRUNED"].seconds == 20
    assert found.spent["FAIL"].seconds == 8
    assert found.spent["RUNNING"].seconds == 8
    assert saved(found) == (2, 20)  # two epochs of ten seconds


def test_the_best_may_be_the_most() -> None:
    study = study_of(trial(1.0), trial(2.0, values=(2.0, 3.0)), direction="maximize")
    snapshot = snapshot_of(study)
    assert snapshot.best == snapshot.trials[1]
    pruned = trial(1.0, state=TrialState.PRUNED, values=(1.0, 4.0, 2.0))
    assert snapshot_of(study_of(pruned, direction="maximize")).rows[0].best_epoch == 1


def paused_at(*slices: tuple[float, float], value: float | None = None) -> dict[str, object]:
    """The attributes of a trial that is paused after these slices; None of a value: it went on."""
    attrs: dict[str, object] = {
        TrialAttrs.SLICES: [[at(start).isoformat(), at(end).isoformat()] for start, end in slices],
        TrialAttrs.PAUSED: None,
    }
    if value is not None:
        seconds = sum(end - start for start, end in slices)
        result = Result(State.PAUSED, value, 1, "paused at epoch 1: weak", seconds)
        attrs[TrialAttrs.PAUSED] = result.to_json()
    return attrs


def went_on(since: float, before: float) -> dict[str, object]:
    return {TrialAttrs.CLOCK: {"seconds": before, "since": at(since).isoformat()}}


RUNNING, PRUNED = TrialState.RUNNING, TrialState.PRUNED


@pytest.mark.parametrize(
    ("made", "spans", "state", "seconds"),
    [
        (trial(0.5), [(0, 10)], "COMPLETE", 10),
        (trial(state=RUNNING), [(0, 99)], "RUNNING", None),
        (trial(state=RUNNING, attrs=went_on(6, 2)), [(0, 99)], "RUNNING", None),  # retried
        (trial(state=RUNNING, attrs=paused_at((1, 3), value=0.3)), [(0, 3)], "PAUSED", 2),
        (
            trial(state=RUNNING, attrs=paused_at((1, 3), (6, 8), value=0.3) | went_on(6, 2)),
            [(0, 3), (6, 8)], "PAUSED", 4,
        ),
        (trial(state=RUNNING, attrs=paused_at((1, 3))), [(0, 3)], "RUNNING", None),  # submitted
        (
            trial(state=RUNNING, attrs=paused_at((1, 3)) | went_on(6, 2)),
            [(0, 3), (6, 99)], "RUNNING", None,
        ),
        (trial(0.5, attrs=paused_at((1, 3)) | went_on(6, 2)), [(0, 3), (6, 10)], "COMPLETE", 6),
        # Told at the end of the sweep, while it was paused.
        (
            trial(state=PRUNED, values=(0.5,), attrs=paused_at((1, 3), value=0.3)),
            [(0, 3)], "PRUNED", 10,
        ),
        (
            trial(state=PRUNED, values=(0.5,), attrs=paused_at((1, 3), (6, 8)) | went_on(6, 2)),
            [(0, 3), (6, 8)], "PRUNED", 6,
        ),
    ],
)  # fmt: skip
def test_the_slices_of_a_trial(
    made: FrozenTrial, spans: list[tuple[float, float]], state: str, seconds: float | None
) -> None:
    snapshot = snapshot_of(study_of(made, trial(0.1, start=99, seconds=0)))
    row = snapshot.rows[0]
    assert snapshot.spans(row.trial) == [(at(start), at(end)) for start, end in spans]
    assert (row.state, row.seconds) == (state, seconds)


@pytest.fixture
def pausing() -> Snapshot:
    """One slot: trial 0 is paused, trial 1 has completed, trial 2 has gone on and is paused."""
    twice = paused_at((11, 14), (16, 18), value=0.4) | went_on(16, 3)
    runs = paused_at((14, 16)) | went_on(18, 2)
    return snapshot_of(
        study_of(
            trial(state=RUNNING, values=(0.7, 0.6), attrs=paused_at((0, 5), value=0.6)),
            trial(0.5, start=5, seconds=6, values=(0.6, 0.5), params={LR: 0.003}, best_epoch=1),
            trial(state=RUNNING, start=11, values=(0.5, 0.4, 0.9), params={LR: 0.001}, attrs=twice),
            trial(state=RUNNING, start=14, values=(0.8,), attrs=runs),
        )
    )  # fmt: skip


def test_paused_trials_are_counted_and_may_have_the_best_value(pausing: Snapshot) -> None:
    lines = pages.note(pausing).split("\n\n")
    assert lines[0] == (
        "4 trials in 0:18, until 2026-01-01 12:00:18: 1 complete, 0 pruned, 0 failed, 2 paused, "
        "1 running."
    )
    assert lines[2] == (
        "Best: trial 1 with value 0.5 at epoch 1: `lr=0.003`. "
        "Better so far, but paused: trial 2 with value 0.4 at epoch 1: `lr=0.001`."
    )
    assert pausing.spent["PAUSED"] == Spent(2, 5, 10)
    page = pages.html(pausing, ())
    head, *rows = table_under("Trials", page)
    cells = dict(zip(head, rows[2], strict=True))
    assert cells["state"] == "PAUSED"
    assert (cells["best value"], cells["epochs"], cells["seconds"]) == ("0.4", "3", "5.0")
    assert cells["reason"] == "paused at epoch 1: weak"


def test_the_timeline_has_a_bar_for_each_slice(pausing: Snapshot) -> None:
    figure = {plot.title: plot.figure for plot in plots_of(pausing)}["Timeline"]
    assert figure
    found = {
        bars.name: [
            (text.partition(",")[0], slot, (datetime.fromisoformat(base) - NOON).seconds, ms / 1000)
            for text, slot, base, ms in zip(bars.hovertext, bars.y, bars.base, bars.x, strict=True)
        ]
        for bars in figure.data
    }
    assert found == {
        "COMPLETE": [("trial 1", "slot 0", 5, 6)],
        "PAUSED": [
            ("trial 0", "slot 0", 0, 5), ("trial 2", "slot 0", 11, 3), ("trial 2", "slot 0", 16, 2),
        ],
        "RUNNING": [("trial 3", "slot 0", 14, 2), ("trial 3", "slot 0", 18, 0)],
    }  # fmt: skip


def test_paused_trials_have_a_color_of_their_own(pausing: Snapshot) -> None:
    figure = {plot.title: plot.figure for plot in plots_of(pausing)}["Values by epoch"]
    assert figure
    colors = {curves.name: curves.line.color for curves in figure.data}
    assert set(colors) == {"PAUSED", "RUNNING", "best: trial 1"}
    assert len(set(colors.values())) == 3


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("direction", "values", "best"),
    [
        ("minimize", (NAN, 0.9, 0.7, 0.8), (0.7, 2)),
        ("maximize", (NAN, 0.7, 0.9, 0.8), (0.9, 2)),
        ("minimize", (0.9, NAN), (0.9, 0)),
        ("minimize", (-INF, 0.9), (0.9, 1)),
        ("minimize", (0.9, 0.7, 0.7), (0.7, 1)),
        ("minimize", (NAN, NAN), (None, None)),
        ("minimize", (), (None, None)),
    ],
)
@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.RUNNING])
def test_the_best_of_the_reported_values_is_finite(
    state: TrialState,
    direction: str,
    values: tuple[float, ...],
    best: tuple[float | None, int | None],
) -> None:
    (row,) = snapshot_of(study_of(trial(state=state, values=values), direction=direction)).rows
    assert (row.best_value, row.best_epoch) == best


def test_a_report_has_no_nan_as_best(tmp_path: Path) -> None:
    pruned = trial(state=TrialState.PRUNED, values=(NAN, 0.9, 0.7))
    file = write_report(snapshot_of(study_of(pruned)), tmp_path)
    head, row = table_under("Trials", file.read_text())
    cells = dict(zip(head, row, strict=True))
    assert (cells["best value"], cells["best epoch"], cells["epochs"]) == ("0.7", "2", "3")


def test_the_objective_is_that_of_the_study() -> None:
    study = study_of(trial(0.5), direction="maximize")
    assert snapshot_of(study).objective == Objective("value", "max")
    study.set_user_attr(StudyAttrs.OBJECTIVE, "max val_accuracy")
    assert snapshot_of(study).objective == Objective("val_accuracy", "max")


def test_labels_are_short_unless_two_are_the_same() -> None:
    searched = dict.fromkeys((LR, "model.units", "head.units", "model", "opt._target_"), "")
    snapshot = Snapshot("s", Objectives(Objective("value", "min")), (), searched)
    short = ["lr", "model.units", "head.units", "model", "opt"]
    assert list(snapshot.labels.values()) == short


PAUSED_AT_THE_END = paused_at((1, 3), value=0.6)
CATEGORICAL = [trial(0.1 * n, params={UNITS: (32, 64)[n % 2]}) for n in range(1, 6)]


@pytest.mark.parametrize(
    ("trials", "missing"),
    [
        ([], ALL),
        ([create_trial(state=TrialState.WAITING)], ALL),
        ([trial(state=TrialState.RUNNING)], ALL - {"Timeline"}),
        (
            [trial(0.5, state=TrialState.PRUNED, values=(0.5,))],
            ALL - {"Timeline", "Values by epoch"},
        ),
        (
            [trial(0.5, params={LR: 0.001})],
            {"Values by epoch", "Parameter importances", "Parallel coordinates"},
        ),
        (
            [trial(0.5, params={LR: 0.001, UNITS: n}, values=(0.5,)) for n in (32, 64)],
            {"Parameter importances"},
        ),
        (CATEGORICAL, {"Parameter importances", "Values by epoch"}),
        (
            [
                trial(0.5, params={LR: 0.001}, values=(0.5,)),
                trial(
                    0.6, state=PRUNED, values=(0.6,), params={LR: 0.002}, attrs=PAUSED_AT_THE_END
                ),
            ],
            {"Parameter importances"},
        ),
        (
            [trial(0.1 * n, params={LR: 0.0004 * n, **({RATE: 0.04 * n} if n % 2 else {})})
             for n in range(1, 25)],
            {"Values by epoch"},
        ),
    ],
    ids=[
        "none", "waiting", "running", "pruned", "one", "equal", "categorical", "paused",
        "conditional",
    ],
)  # fmt: skip
def test_plots_that_can_not_be_made_yet_say_why(
    tmp_path: Path, trials: list[FrozenTrial], missing: set[str], capfd: pytest.CaptureFixture[str]
) -> None:
    snapshot = snapshot_of(study_of(*trials))
    plots = plots_of(snapshot)
    assert {plot.title for plot in plots} == ALL
    assert {plot.title for plot in plots if plot.figure is None} == missing
    text = write_report(snapshot, tmp_path).read_text()
    assert set(re.findall("<h2>([^<]*)</h2><p>Left out: ", text)) == missing
    assert pages.note(snapshot)
    assert capfd.readouterr().err == ""  # nor did Optuna or Plotly warn


def test_labels_that_are_markup_or_formulas(tmp_path: Path) -> None:
    key = "리뷰 $x$ </script>"
    pairs = zip(SPACE[key].choices, (0.001, 0.002, 0.003), strict=True)
    trials = [trial(lr, values=(lr,), params={key: value, LR: lr}) for value, lr in pairs]
    text = write_report(snapshot_of(study_of(*trials)), tmp_path).read_text(encoding="utf-8")
    assert "리뷰 $x$ &lt;/script&gt;" in text
    assert key not in text


def test_the_page_needs_no_other_file_and_is_replaced(snapshot: Snapshot, tmp_path: Path) -> None:
    write_report(snapshot, tmp_path)
    file = write_report(snapshot, tmp_path)
    assert set(tmp_path.iterdir()) == {file}
    assert file.name == Artifacts.REPORT
    text = file.read_text()
    assert text.count("<script>/*") == 1  # plotly.js
    assert not re.search(r"<(script|link|img)[^>]* (src|href)=", text)
    assert text.count('class="plotly-graph-div"') == 5  # there are no importances of two trials


def table_under(title: str, page: str) -> list[list[str]]:
    """The texts of the cells, by row, of the table under a title."""
    found = page.partition(f"<h2>{title}</h2>")[2].partition("</table>")[0]
    rows = re.findall("<tr>(.*?)</tr>", found, re.DOTALL)
    cells = (re.findall("<t[hd]>(.*?)</t[hd]>", row, re.DOTALL) for row in rows)
    return [[unescape(cell) for cell in row] for row in cells]


def test_the_tables(snapshot: Snapshot) -> None:
    page = pages.html(snapshot, plots_of(snapshot))
    head, *rows = table_under("Trials", page)
    assert head == [
        "trial", "state", "lr", "units", "best value", "best epoch", "epochs", "seconds", "run",
        "reason",
    ]  # fmt: skip
    assert rows[1][:8] == ["1", "COMPLETE, best", "0.003", "64", "0.3", "1", "2", "10.0"]
    assert rows[2][-1] == "pruned | behind"
    assert rows[3][-1] == "ValueError: no"
    assert table_under("Totals by state", page)[1] == ["COMPLETE", "2", "6", "20.0"]


@pytest.mark.parametrize(("hosts", "shown"), [(["a", "a"], []), (["a", "b"], ["host", "a", "b"])])
def test_the_hosts_of_trials_where_there_are_several(hosts: list[str], shown: list[str]) -> None:
    ran = [trial(0.5, attrs={TrialAttrs.HOST: host}) for host in hosts]
    table = table_under("Trials", pages.html(snapshot_of(study_of(*ran)), ()))
    assert [row[-1] for row in table] == (shown or ["reason", "", ""])


def test_the_note_is_a_few_lines(snapshot: Snapshot) -> None:
    lines = pages.note(snapshot).split("\n\n")
    assert 5 <= len(lines) <= 6
    assert "2 complete, 1 pruned, 1 failed, 1 running" in lines[0]
    assert "trial 1 with value 0.3 at epoch 1: `lr=0.003 units=64`; test loss 0.3333" in lines[2]


def test_the_note_shows_texts_as_they_are(snapshot: Snapshot) -> None:
    searched = {LR: "choice([a](b),*c*)", UNITS: "choice('`')"}
    note = pages.note(replace(snapshot, searched=searched))
    assert "value: `lr` `choice([a](b),*c*)`, `units` `` choice('`') ``." in note


@pytest.mark.parametrize(("seconds", "wait"), [(0, 30), (1, 30), (2, 40), (15, 300)])
def test_reports_take_a_twentieth_of_the_time(seconds: float, wait: float) -> None:
    assert pause(seconds) == pytest.approx(wait)


def test_it_is_written_repeatedly(tmp_path: Path) -> None:
    study = study_of(trial(0.5))
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "e")
    with tracker.run("s", tags={}, params={}) as run:
        reporter = Reporter(study, tmp_path, tracker, run, lambda _: [], least=0.01)

        def until_noted(text: str) -> None:
            deadline = time.monotonic() + 120
            while text not in (tracker.tag(run.id, MLFLOW_RUN_NOTE) or ""):
                assert time.monotonic() < deadline
                time.sleep(0.1)

        reporter.on_start()
        try:
            until_noted("1 complete")
            study.add_trial(trial(0.4))
            reporter.on_trial_end(1, Result(State.COMPLETE, 0.4))
            reporter.on_idle()
            until_noted("2 complete")
        finally:
            reporter.on_end()
        study.add_trial(trial(0.3))
        written = reporter.page.stat().st_mtime_ns
        time.sleep(0.1)
        assert reporter.page.stat().st_mtime_ns == written  # the thread has ended
        assert reporter.write(ended="all 3 trials have run (n_trials=3)")
        assert "Stopped: all 3 trials have run (n_trials=3)." in reporter.page.read_text()
        assert "3 complete" in (tracker.tag(run.id, MLFLOW_RUN_NOTE) or "")


def test_a_reporter_that_never_began_can_end(tmp_path: Path) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "e")
    with tracker.run("s", tags={}, params={}) as run:
        Reporter(study_of(), tmp_path, tracker, run, lambda _: []).on_end()


N_TRIALS = 16
ENDED = f"Stopped: all {N_TRIALS} trials have run (n_trials={N_TRIALS})."


@pytest.fixture(scope="module")
def swept(app: Command) -> Ended:
    # One job after the other and a seed, so that TPE draws the same params each time.
    return app(
        "-m", f"hydra.sweeper.n_trials={N_TRIALS}", "hydra.sweeper.study_name=s",
        "hydra.sweep.dir=multirun/s", "hydra.sweeper.n_jobs=1", "+hydra.sweeper.sampler.seed=0",
    )  # fmt: skip


@pytest.fixture
def parent(swept: Ended) -> Iterator[Run]:
    yield swept.runs("app")[0]


def report_of(ended: Ended, run: Run) -> str:
    """The report among the artifacts of a run."""
    return Path(ended.client.download_artifacts(run.info.run_id, "report.html")).read_text()


def words_of(page: str) -> str:
    """A report without its plots, whose elements have random ids."""
    return re.sub(r"<script.*?</script>|<div id=.*?>|id=\".*?\"", "", page, flags=re.DOTALL)


def test_a_sweep_leaves_its_report(swept: Ended, parent: Run) -> None:
    assert swept.code == 0, swept.err
    study = swept.study("s")
    artifacts = {item.path for item in swept.client.list_artifacts(parent.info.run_id)}
    assert artifacts - {"uncommitted.diff"} == {"environment.json", "report.html"}
    report = report_of(swept, parent)
    for run_id in (one.user_attrs["mlflow_run_id"] for one in study.trials):
        assert run_id in report
    assert f"x={study.best_params['x']!r}" in report
    assert ENDED in report
    assert study.user_attrs[StudyAttrs.DEFAULTS] == {"x": 0.0}  # that of rate is not searched
    for sentence in (
        "value went from about ", "rate: the default is not among the searched values.",
        "forests fitted on 16 trials",
    ):  # fmt: skip
        assert sentence in report
    assert "earned" in parent.data.tags[MLFLOW_RUN_NOTE]
    assert "earned" in swept.out
    assert parent.data.tags[MLFLOW_RUN_NOTE].startswith(f"{N_TRIALS} trials in ")
    assert "`x` `interval(0, 6)`, `rate` `choice(0.2, 0.4)`" in parent.data.tags[MLFLOW_RUN_NOTE]
    assert "multirun/s/report/report.html" in swept.out
    assert (swept.path / "multirun/s/report/report.html").read_text() == report
    assert {file.name for file in (swept.path / "multirun/s/report").iterdir()} == {"report.html"}


def run_report(ended: Ended, *arguments: str) -> Invoked:
    return CliRunner().invoke(
        main,
        [
            "report", *arguments, f"--storage=sqlite:///{ended.path}/optuna.db",
            f"--tracking-uri=sqlite:///{ended.path}/mlflow.db",
        ],
    )  # fmt: skip


def test_the_report_anew(swept: Ended, parent: Run, tmp_path: Path) -> None:
    before = words_of(report_of(swept, parent))
    swept.client.set_tag(parent.info.run_id, MLFLOW_RUN_NOTE, "old")
    invoked = run_report(swept, "s")
    assert invoked.exit_code == 0, invoked.output
    assert parent.info.run_id in invoked.output
    after = report_of(swept, parent)
    assert ENDED in before
    assert words_of(after) == before.replace(f" {ENDED}", "")
    assert swept.runs("app")[0].data.tags[MLFLOW_RUN_NOTE] != "old"
    invoked = run_report(swept, "s", f"--folder={tmp_path}/new")
    assert invoked.exit_code == 0, invoked.output
    assert words_of((tmp_path / "new" / "report.html").read_text()) == words_of(after)


def test_the_report_of_a_study_that_is_not_there(swept: Ended, tmp_path: Path) -> None:
    invoked = run_report(swept, "t")
    assert (invoked.exit_code, "there is no study t" in invoked.output) == (1, True)
    invoked = run_report(Ended(tmp_path, 0, "", ""), "s")
    assert (invoked.exit_code, "there are no runs" in invoked.output) == (1, True)


def test_no_sweep_ends_because_of_its_report(app: Command, tmp_path: Path) -> None:
    (tmp_path / "multirun" / "s").mkdir(parents=True)
    (tmp_path / "multirun" / "s" / "report").touch()  # where its folder should be
    ended = app("-m", "hydra.sweeper.n_trials=1", "hydra.sweep.dir=multirun/s", path=tmp_path)
    assert ended.code == 0, ended.err
    assert "the report was not written" in ended.out
    assert "report.html" not in ended.out
