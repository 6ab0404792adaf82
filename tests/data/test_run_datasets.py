"""The parts of the data as MLflow shows them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from rnnexp.data.run_datasets import datasets_in, datasets_of
from rnnexp.data.table import Table
from rnnexp.identity import digest

ROWS = "review,stars\n" + "".join(f"film {n},{1 + n % 3}\n" for n in range(20))


def table(folder: Path, **changes: object) -> Table:
    for name in ("train", "test", "validation"):
        (folder / f"{name}.csv").write_text(ROWS)
    options = {"test": str(folder / "test.csv"), "task": "classes", "validation_split": 0.25}
    return Table(
        train=str(folder / "train.csv"), text="review", label="stars", num_words=None, maxlen=5,
        split="whitespace", seed=0, **(options | changes),
    )  # type: ignore[arg-type]  # fmt: skip


def by_context(source: Table) -> dict[str, dict[str, str]]:
    dataset = source.load()
    found = {one["context"]: one for one in datasets_of(source, dataset)}
    for one in found.values():
        assert one["digest"].startswith(dataset.folder.name[:8])
        assert len(one["digest"]) <= 36
    assert len({(one["name"], one["digest"]) for one in found.values()}) == len(found)
    return found


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        ({}, {"training": 15, "validation": 5, "testing": 20}),
        ({"validation_split": None}, {"training": 20, "testing": 20}),
        ({"test": 0.25}, {"training": 10, "validation": 4, "testing": 6}),  # of each class
    ],
)
def test_the_parts_of_files(
    tmp_path: Path, changes: dict[str, object], rows: dict[str, int]
) -> None:
    found = by_context(table(tmp_path, **changes))
    profiles = {context: json.loads(one["profile"]) for context, one in found.items()}
    assert {context: profile["num_rows"] for context, profile in profiles.items()} == rows
    for profile in profiles.values():
        assert sum(profile["classes"].values()) == profile["num_rows"]
        assert (list(profile["classes"]), profile["maxlen"]) == (["1", "2", "3"], 5)
    columns = json.loads(found["training"]["schema"])["mlflow_colspec"]
    assert [(one["name"], one["type"]) for one in columns] == [
        ("review", "string"), ("stars", "long")
    ]  # fmt: skip


def test_where_each_part_comes_from(tmp_path: Path) -> None:
    of_its_own = table(tmp_path, validation=str(tmp_path / "validation.csv"))
    for source, files in (
        (table(tmp_path), ("train.csv", "train.csv", "test.csv")),
        (of_its_own, ("train.csv", "validation.csv", "test.csv")),
    ):
        found = by_context(source)
        contexts = ("training", "validation", "testing")
        assert tuple(found[context]["name"] for context in contexts) == files
        for context, name in zip(contexts, files, strict=True):
            where = json.loads(found[context]["source"])
            file = tmp_path / name
            assert where == {"uri": str(file), "sha256": digest(file)}
            assert found[context]["source_type"] == "local"


@pytest.mark.parametrize(
    ("task", "classes"), [("binary", {"0", "1"}), ("classes", set("12345")), ("regression", None)]
)
def test_generated_data(
    composed: Callable[..., DictConfig], task: str, classes: set[str] | None
) -> None:
    found = datasets_in(composed(f"data.task={task}"))
    assert [(one["name"], one["context"]) for one in found] == [
        ("generated", "training"), ("generated", "validation"), ("generated", "testing"),
    ]  # fmt: skip
    for one, rows in zip(found, (96, 24, 40), strict=True):
        profile = json.loads(one["profile"])
        assert profile["num_rows"] == rows
        assert (set(profile["classes"]) if "classes" in profile else None) == classes
        assert one["source_type"] == "code"
        assert "rnnexp.data.generated.Generated" in one["source"]


def test_the_digest_follows_the_data(composed: Callable[..., DictConfig]) -> None:
    first, same, other = (
        {one["digest"] for one in datasets_in(composed(override))}
        for override in ("seed=1", "seed=2", "data.seed=3")
    )
    assert first == same
    assert not first & other


class Loader:
    """Data of another application, which a check must not load."""

    def __init__(self) -> None:
        raise AssertionError("loaded")


@pytest.mark.parametrize(
    "config",
    [{}, {"data": None}, {"data": {"x": 1}}, {"data": {"_target_": "no.such.Class"}},
     {"data": {"_target_": f"{__name__}.Loader"}}],
)  # fmt: skip
def test_another_applications_data(config: dict[str, object]) -> None:
    assert datasets_in(OmegaConf.create(config)) == []
    if config.get("data") and "Loader" in str(config["data"]):
        with pytest.raises(Exception, match="loaded"):
            instantiate(config["data"])
