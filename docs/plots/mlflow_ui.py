"""Pictures of MLflow's UI, and of the best trial's evaluation, in the documents.

    pip install -e '.[docs]' selenium && python docs/plots/mlflow_ui.py FOLDER STUDY

FOLDER is the folder in which the sweep was started. The script needs Chromium with its driver, as
in Debian's packages ``chromium`` and ``chromium-driver``.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from rnnexp.storage.schema import Artifacts, EvaluationFiles, Kind, Metrics, Tags

IMAGES = Path(__file__).parents[1] / "images"
CHROMIUM, DRIVER = "chromium", "chromedriver"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
TIMEOUT = 120  # seconds, for an element of a page to show up


def missing() -> list[str]:
    """Return the needed programs that are not installed."""
    return [name for name in (CHROMIUM, DRIVER) if not shutil.which(name)]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run ``mlflow ui`` in a folder, on a free port of this machine.

    Yields:
        The address of the UI.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(  # noqa: S603
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def browser(width: int, height: int) -> Iterator[webdriver.Chrome]:
    """Run Chromium without a screen, with a temporary profile.

    Yields:
        The browser.
    """
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which(CHROMIUM) or CHROMIUM
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        chrome = webdriver.Chrome(options, webdriver.ChromeService(shutil.which(DRIVER)))
        try:
            yield chrome
        finally:
            chrome.quit()


class Page:
    """MLflow's page of an experiment's runs.

    Args:
        chrome: The browser.
        address: The address of the page.
    """

    def __init__(self, chrome: webdriver.Chrome, address: str) -> None:
        self.chrome = chrome
        self._wait = WebDriverWait(chrome, TIMEOUT)
        self._wait.until(lambda _: self._is_there(address))

    def _is_there(self, address: str) -> bool:
        try:
            self.chrome.get(address)
        except Exception:  # the server is not up yet
            return False
        return True

    def element(self, selector: str) -> WebElement:
        """Wait for an element that matches a CSS selector, and return the first."""
        return self._wait.until(lambda _: self._first(By.CSS_SELECTOR, selector))

    def _first(self, by: str, selector: str) -> WebElement | None:
        return next((e for e in self.chrome.find_elements(by, selector) if e.is_displayed()), None)

    def click(self, selector: str) -> None:
        """Wait for an element that matches a CSS selector, and click on the first."""
        self.element(selector).click()

    def close_assistant(self) -> None:
        """Close the assistant, which covers a quarter of the page."""
        self.click("[data-component-id='mlflow.assistant.chat_panel.close']")

    def rows(self) -> list[str]:
        """Return the ids of the runs in the table, from the top."""
        rows = self.chrome.find_elements(By.CSS_SELECTOR, ".ag-center-cols-container .ag-row")
        rows.sort(key=lambda row: int(row.get_attribute("row-index") or 0))
        return [row.get_attribute("row-id") or "" for row in rows]

    def expand(self, run_id: str) -> None:
        """Show the runs that are nested under a run."""
        before = len(self.rows())
        self.click(f".ag-row[row-id='{run_id}'] button[data-component-id*='runnamecell']")
        self._wait.until(lambda _: len(self.rows()) > before)

    def cell(self, run_id: str, column: str) -> str:
        """Return the text of a column of the table, in the row of a run."""
        found = self.element(f".ag-row[row-id='{run_id}'] [col-id='{column}']")
        return str(found.get_attribute("textContent"))

    def compare(self, run_ids: Sequence[str]) -> str:
        """Select runs, and compare them.

        Returns:
            The text of the page, once the plot is drawn.
        """
        for run_id in run_ids:
            self.click(f".ag-row[row-id='{run_id}'] .ag-checkbox-input-wrapper")
        compare = (By.XPATH, "//button[normalize-space()='Compare']")
        self._wait.until(lambda _: self._first(*compare)).click()  # type: ignore[union-attr]
        self.element(".parcoords .y-axis, .js-plotly-plot .parcoords, g.parcoords")
        return self.chrome.find_element(By.TAG_NAME, "body").text

    def picture(self, file: Path) -> None:
        """Write the visible part of the page to a PNG file."""
        self.chrome.save_screenshot(file)


def runs_of(folder: Path, study: str) -> tuple[Run, list[Run]]:
    """Return a study's run, and the runs of its trials in the order of their numbers."""
    client = MlflowClient(f"sqlite:///{folder.absolute()}/mlflow.db")
    experiments = [found.experiment_id for found in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.{Tags.STUDY} = '{study}'")
    (parent,) = (run for run in found if run.data.tags[Tags.KIND] == Kind.STUDY)
    trials = [run for run in found if run.data.tags[Tags.KIND] == Kind.TRIAL]
    return parent, sorted(trials, key=lambda run: int(run.data.tags[Tags.TRIAL]))


def evaluation_of(folder: Path, run: Run) -> Path:
    """Return the page of a run's evaluation."""
    client = MlflowClient(f"sqlite:///{folder.absolute()}/mlflow.db")
    path = f"{Artifacts.EVALUATION}/{EvaluationFiles.PAGE}"
    return Path(client.download_artifacts(run.info.run_id, path))


def _save(page: Page, file: Path) -> None:
    page.picture(file)
    with Image.open(file) as image:  # few colors make a small file
        image.quantize(96).save(file, optimize=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("study")
    parser.add_argument("--images", type=Path, default=IMAGES)
    options = parser.parse_args(arguments)
    parent, trials = runs_of(options.folder, options.study)
    with served(options.folder) as address, browser(1900, 1000) as chrome:
        runs = f"{address}/#/experiments/{parent.info.experiment_id}/runs"
        page = Page(chrome, f"{runs}?viewStateShareKey={parent.info.run_id}")
        page.close_assistant()
        # Sorted by time, the runs are nested.
        page.click("[col-id='runDateAndNestInfo'].ag-header-cell")
        page.click("[data-component-id='mlflow.experiment_page.shared_view.dismiss']")
        page.expand(parent.info.run_id)
        _save(page, options.images / "study.png")
        page.compare([run.info.run_id for run in trials])
        _save(page, options.images / "compare.png")
        best = trials[int(parent.data.metrics[Metrics.BEST_TRIAL])]
    with browser(1150, 1620) as chrome:
        page = Page(chrome, evaluation_of(options.folder, best).as_uri())
        page.element(".js-plotly-plot .main-svg")
        _save(page, options.images / "evaluation.png")


if __name__ == "__main__":
    main()
