"""The composer against Hydra's own ``load_sweep_config``, whose work it spares."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import Container, DictConfig, ListConfig, Node

from rnnexp.execution.composer import Composer

FILES = {
    "config.yaml": """
        defaults: [{model: lstm}, {optional fit: long}, _self_]
        rate: 0.1
        twice: ${model.units}
        began: ${now:%f}
        nested: {a: 1, b: {c: 2}}
        """,
    "model/lstm.yaml": "{units: 8, rate: '${rate}'}",
    "model/gru.yaml": "{units: 16, gates: [1, 2]}",
    "fit/long.yaml": "epochs: 9",
    "extra/one.yaml": "x: 1",
    "extra/deep/two.yaml": "x: 2",
    "extra/listed.yaml": """
        # @package _global_
        hydra: {overrides: {task: [rate=1, nested.a=2]}}
        """,
}
TREE = [
    "model=gru", "model=lstm", "model={units: 3}", "model.units=4", "+model.gates=[5]",
    "model.gates=[6, 7]", "rate=0.5", "rate=${model.units}", "rate=null", "rate='a=b, c'",
    "+fresh=1", "++fresh={p: 1}", "fresh.p=2", "~nested.b", "nested.b.c=3", "nested={a: 5}",
    "nested.b=7", "~fit", "fit=long", "+extra=one", "+extra/deep=two", "+extra@nested.here=one",
    "nested.here.x=8", "hydra.job.name=other", "hydra.run.dir=elsewhere", "unknown=1",
    "model=unknown", "extra=one", "rate=1,2", "extra@nested=one",
    "+extra=listed",
]  # fmt: skip


class Counting:
    """Hydra's loader, with a count."""

    def __init__(self, loader: ConfigLoader) -> None:
        self.loader, self.read = loader, 0
        self.get_group_options = loader.get_group_options

    def load_sweep_config(self, sweep: DictConfig, overrides: list[str]) -> DictConfig:
        self.read += 1
        return self.loader.load_sweep_config(sweep, overrides)


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConfigLoader]:
    folder = tmp_path_factory.mktemp("conf")
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    with initialize_config_dir(str(folder), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra
        yield hydra.config_loader


@pytest.fixture(scope="module")
def sweep(loader: ConfigLoader) -> DictConfig:
    given = ["hydra.job.name=given", "model.units=5"]
    config = loader.load_configuration("config", given, run_mode=RunMode.MULTIRUN)
    assert config.began  # from now on every job's
    return config


@pytest.fixture(scope="module")
def composer(loader: ConfigLoader, sweep: DictConfig) -> Composer:
    return Composer(loader, sweep)


def outcome(compose: Callable[[list[str]], DictConfig], overrides: Sequence[str]) -> object:
    """All that can be told of a config; or the error."""
    try:
        config = compose([*overrides])
    except HydraException as error:
        return type(error), str(error)
    return config.began, list(nodes(config))


def nodes(node: Node, path: str = "") -> Iterator[tuple[object, ...]]:
    """What is at every place: values as they are written, types and flags."""
    known = node._metadata
    is_plain = not isinstance(node, Container) or node._is_none() or node._is_interpolation()
    value = node._value() if is_plain else None
    yield path, value, type(node), known.ref_type, known.object_type, known.flags
    if isinstance(node, DictConfig) and not is_plain:
        for key in node:
            yield from nodes(node._get_node(key), f"{path}.{key}")
    elif isinstance(node, ListConfig) and not is_plain:
        for number in range(len(node)):
            yield from nodes(node._get_node(number), f"{path}[{number}]")


@pytest.mark.parametrize("override", [*TREE, ""])
def test_it_gives_what_hydra_gives(
    loader: ConfigLoader, sweep: DictConfig, composer: Composer, override: str
) -> None:
    overrides = [override] if override else []
    expected = outcome(partial(loader.load_sweep_config, sweep), overrides)
    assert outcome(composer.compose, overrides) == expected


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(overrides=st.lists(st.sampled_from(TREE), min_size=2, max_size=5))
def test_it_does_so_for_every_list_and_whatever_came_before(
    loader: ConfigLoader, sweep: DictConfig, composer: Composer, overrides: list[str]
) -> None:
    expected = outcome(partial(loader.load_sweep_config, sweep), overrides)
    assert outcome(composer.compose, overrides) == expected


@pytest.mark.parametrize(
    ("jobs", "read"),
    [
        (["rate=0.1", "rate=0.2", "+fresh=3"], 1),
        (["model=gru rate=0.1", "model=lstm rate=0.2", "model=gru rate=0.3"], 2),
        (["~nested.b rate=0.1", "rate=0.2", "~nested.b rate=0.3"], 2),
    ],
)
def test_the_files_are_read_once_for_jobs_that_choose_the_same(
    loader: ConfigLoader, sweep: DictConfig, jobs: list[str], read: int
) -> None:
    counted = Counting(loader)
    composer = Composer(counted, sweep)
    for job in jobs:
        composer.compose(job.split())
    assert counted.read == read


def test_a_job_can_do_as_it_likes_with_its_config(composer: Composer) -> None:
    composer.compose(["rate=0.1"]).nested.a = 7
    assert composer.compose(["rate=0.2"]).nested.a == 1


def test_a_composer_in_another_process_reads_nothing_again(
    loader: ConfigLoader, sweep: DictConfig
) -> None:
    overrides = ["model=gru", "rate=0.1"]
    first, counted = Composer(loader, sweep), Counting(loader)
    second = Composer(counted, sweep)
    expected = outcome(first.compose, overrides)
    second.learn(first.known())
    counted.get_group_options = None
    assert outcome(second.compose, overrides) == expected
    assert counted.read == 0
