"""What a person sees in MLflow's UI after a sweep, in a real browser."""

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.helpers.commands import ROOT, Command, Ended

UI = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "plots" / "mlflow_ui.py")))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(UI.missing()), reason=f"there is no {' and no '.join(UI.missing())} on this machine"
    ),
]
N_TRIALS = 6


@pytest.fixture(scope="module")
def swept(command: Command) -> Ended:
    return command(
        "-m", f"hydra.sweeper.n_trials={N_TRIALS}", "hydra.sweeper.study_name=seen",
        "model.units=choice(3,4,5,6,7,8)",
    )  # fmt: skip


@pytest.fixture(scope="module")
def address(swept: Ended) -> Iterator[str]:
    with UI.served(swept.path) as address:
        yield f"{address}/#/experiments/{swept.runs()[0].info.experiment_id}/runs"


def test_the_study_at_a_glance(swept: Ended, address: str) -> None:
    parent, *trials = swept.runs()
    with UI.browser(2200, 1200) as chrome:
        page = UI.Page(chrome, f"{address}?viewStateShareKey={parent.info.run_id}")
        best = min(trials, key=lambda run: run.data.metrics["best_value"])
        page.element(f".ag-row[row-id='{best.info.run_id}']")
        ranked = [run_id for run_id in page.rows() if run_id != parent.info.run_id]
        assert ranked[0] == best.info.run_id
        assert sorted(ranked) == sorted(run.info.run_id for run in trials)
        for run in trials:
            text = page.cell(run.info.run_id, "metrics.`best_value`")
            assert float(text) == pytest.approx(run.data.metrics["best_value"])
            units = page.cell(run.info.run_id, "params.`model.units`")
            assert units == run.data.params["model.units"]
            assert page.cell(run.info.run_id, "tags.`state`") == run.data.tags["state"]
            assert "generated (" in page.cell(run.info.run_id, "attributes.`Dataset`")


def test_the_nested_table_and_compare(swept: Ended, address: str, tmp_path: Path) -> None:
    parent, *trials = swept.runs()
    ids = [run.info.run_id for run in trials]
    with UI.browser(1500, 1200) as chrome:
        page = UI.Page(chrome, address)
        page.close_assistant()
        page.element(f".ag-row[row-id='{parent.info.run_id}']")
        assert page.rows() == [parent.info.run_id]  # the trials are nested under it
        page.expand(parent.info.run_id)
        assert sorted(page.rows()) == sorted([parent.info.run_id, *ids])
        page.picture(tmp_path / "table.png")
        text = page.compare(ids)
        page.picture(tmp_path / "compare.png")
    assert f"Comparing {N_TRIALS} Runs from 1 Experiment" in text
    # The plot starts with the searched values and the monitored value.
    assert re.search(r"Parameters:\s+compile\.optimizer\.learning_rate\s+fit\.batch_size", text)
    assert re.search(r"Metrics:\s+val_loss\s", text)
    for run in trials:
        assert run.info.run_name in text
        assert run.data.params["compile.optimizer.learning_rate"] in text
        # MLflow shows three digits of a metric here.
        assert re.search(rf"\b{run.data.metrics['best_value']:.3g}\b", text)
    for picture in ("table.png", "compare.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
