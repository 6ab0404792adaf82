"""Passwords of stores, taken out of Hydra's config before a job or a file has them."""

import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from rnnexp.execution.store_passwords import (
    HidePasswords,
    hide_in_arguments,
    hide_store_passwords,
)
from rnnexp.passwords import may_have_secret, with_password
from tests.helpers.commands import ROOT

CONFIG = """
defaults: [{override hydra/sweeper: rnnexp}]
x: 1
user: me
tracking: {uri: "http://me:s3cret@host:5000", experiment: e}
hydra:
  sweeper:
    storage: postgresql://me:s3cret@host/db
    tracking: ${tracking}
"""


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("tracking.uri=http://me:s3cret@h", "tracking.uri=http://me:***@h"),
        ("++tracking.uri='http://me:s3cret@h'", "++tracking.uri='http://me:***@h'"),
        ('hydra.sweeper.storage="postgresql://me:s3=(c]ret@h/d"',
         'hydra.sweeper.storage="postgresql://me:***@h/d"'),
        ("hydra.sweeper.storage=postgresql://me:s3=(c]ret@h/d",
         "hydra.sweeper.storage=postgresql://me:***@h/d"),
        ("hydra.sweeper.tracking.uri=http://me:s3cret@h",
         "hydra.sweeper.tracking.uri=http://me:***@h"),
        ("tracking.uri=http://me:${oc.env:PW}@h", "tracking.uri=http://me:${oc.env:PW}@h"),
        ("data.url=http://me:s3cret@h", "data.url=http://me:s3cret@h"),  # the application's own
        ("-m", "-m"),
        ("fit.epochs=2", "fit.epochs=2"),
    ],
)  # fmt: skip
def test_arguments(text: str, hidden: str) -> None:
    assert hide_in_arguments([text]) == [hidden]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["tracking={uri:'http://me:s3cret@host:5000'}"],
        ["tracking.uri='http://me:s3cret@host:5000'",
         "hydra.sweeper.storage='postgresql://me:s3cret@host/db'"],
    ],
)  # fmt: skip
def test_a_job_has_none(
    tmp_path: Path, overrides: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["app.py", *overrides])
    (tmp_path / "config.yaml").write_text(CONFIG)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(tmp_path), "app", version_base="1.3"):
        config = compose("config", ["hydra.mode=MULTIRUN", *overrides], return_hydra_config=True)
        hide_store_passwords(config)
        loader = GlobalHydra.instance().config_loader()
        job = loader.load_sweep_config(config, [*config.hydra.overrides.task, "x=2"])
    for each in (config, job):
        assert "s3cret" not in OmegaConf.to_yaml(each)
        assert each.tracking.uri == each.hydra.sweeper.tracking.uri == "http://me:***@host:5000"
        assert with_password(each.tracking.uri) == "http://me:s3cret@host:5000"
        assert with_password(each.hydra.sweeper.storage) == "postgresql://me:s3cret@host/db"
    assert job.x == 2
    assert "s3cret" not in str(sys.argv)


@pytest.mark.parametrize("tracking", ["null", "{uri: null}", "x", "${nothing}", "[1]"])
def test_a_config_without_stores_stays_as_it_is(
    tmp_path: Path, tracking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["app.py"])
    (tmp_path / "config.yaml").write_text(f"tracking: {tracking}\n")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(tmp_path), "app", version_base="1.3"):
        config = compose("config", return_hydra_config=True)  # with Hydra's own sweeper
    before = OmegaConf.to_yaml(config)
    hide_store_passwords(config)
    assert OmegaConf.to_yaml(config) == before


@pytest.mark.parametrize("moment", ["on_run_start", "on_job_start"])
def test_an_error_ends_the_run_before_it_begins(
    moment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hydra would make a warning of it, and go on with the password."""
    folder = tmp_path / ".hydra"
    folder.mkdir()
    (folder / "config.yaml").write_text("password: s3cret\n  x: [\n")  # no YAML
    hydra = {
        "mode": RunMode.RUN, "output_subdir": ".hydra", "runtime": {"output_dir": str(tmp_path)},
    }  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        getattr(HidePasswords(), moment)(OmegaConf.create({"hydra": hydra}))
    assert ended.value.code == 1
    err = capsys.readouterr().err
    assert err.startswith("nothing was started: the config may have passwords in it, ")
    assert "s3cret" not in err
    assert list(folder.iterdir()) == [] or moment == "on_run_start"


def test_no_config_of_the_project_looks_as_if_it_had_a_secret() -> None:
    """Each job would read and write the files of such a config once more."""
    files = [*(ROOT / "conf").rglob("*.yaml"), *(ROOT / "sweeps").glob("*.yaml")]
    assert len(files) > 10
    texts = {file.name: file.read_text(encoding="utf-8") for file in files}
    assert [name for name, text in texts.items() if may_have_secret(text)] == []
