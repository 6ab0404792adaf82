"""Parameters that exist only under a choice: how they are read, drawn, and written down."""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from rnnexp.search.conditions import with_conditions
from rnnexp.search.sampling import DistinctSampler, ask
from rnnexp.search.space import Space, parse
from rnnexp.search.study_definition import definition, search_changes
from tests.helpers.commands import ROOT, Command, Ended

BASE = OmegaConf.create(
    {
        "model": {"units": 4, "layers": 1, "cell": {"type": "a"}},
        "hydra": {"runtime": {"choices": {"model": "rnn"}}},
    }
)
PARAMS = ("model=choice(rnn,lstm,gru)", "n=range(1,4)", "rate=interval(0,1)")
DROPOUT = {"model=choice(lstm, gru)": {"model.dropout": "choice(0.1, 0.2)"}}


def read(
    when: Mapping[str, object], *arguments: str, params: tuple[str, ...] = PARAMS
) -> tuple[Space, list[str]]:
    space, unread = parse([*params, *arguments])
    assert not unread
    return with_conditions(space, when, params=params, arguments=arguments, base=BASE)


def space_of(
    when: Mapping[str, object], *arguments: str, params: tuple[str, ...] = PARAMS
) -> Space:
    space, problems = read(when, *arguments, params=params)
    assert not problems
    return space


@pytest.mark.parametrize(
    ("when", "arguments", "searched"),
    [
        (DROPOUT, [], {"model.dropout": "model=choice(lstm, gru)"}),
        ({"model=lstm,gru": {"a": "1,2"}}, [], {"a": "model=lstm,gru"}),
        ({"model='lstm'": {"a": "1,2"}}, [], {"a": "model='lstm'"}),
        ({"n=range(2,4)": {"a": "1,2"}}, [], {"a": "n=range(2,4)"}),
        ({"n=2": {"+a": "1,2"}}, [], {"a": "n=2"}),
        ({"model=lstm": {"a": 5}}, [], {"a": "model=lstm"}),
        ({"model=lstm": {"a": "x,y"}, "a=x": {"b": "1,2"}}, [], {"a": "model=lstm", "b": "a=x"}),
        # The command line wins over the parameter
        (DROPOUT, ["model.dropout=interval(0,1)"], {"model.dropout": None}),
        (DROPOUT, ["model.dropout=0.3"], {}),
        (DROPOUT, ["+model.dropout=0.3"], {}),
        # and over its parent.
        (DROPOUT, ["model=choice(rnn,gru)"], {"model.dropout": "model=choice(lstm, gru)"}),
        ({"model=lstm": {"a": "1,2"}}, ["model=choice(rnn,gru)"], {}),
        # A parent with the same value in every trial decides at once.
        ({"model=rnn": {"a": "1,2"}}, ["model=rnn"], {"a": None}),
        ({"model=lstm": {"a": "1,2"}}, ["model=rnn"], {}),
        ({"model.units=4": {"a": "1,2"}}, ["model=rnn"], {"a": None}),
        ({"model.units=choice(8,16)": {"a": "1,2"}}, ["model=rnn"], {}),
        ({"model=lstm": {"a": "x,y"}, "a=x": {"b": "1,2"}}, ["model=rnn"], {}),
        ({"model=rnn": {"a": "x,y"}, "a=x": {"b": "1,2"}}, ["model=rnn"], {"a": None, "b": "a=x"}),
    ],
)  # fmt: skip
def test_what_is_searched_when(
    when: Mapping[str, object], arguments: list[str], searched: dict[str, str | None]
) -> None:
    space = space_of(when, *arguments)
    conditions = {d.key: d.condition.grammar if d.condition else None for d in space.dimensions}
    assert {k: v for k, v in conditions.items() if k not in {"model", "n", "rate"}} == searched
    last_without = max(i for i, d in enumerate(space.dimensions) if not d.condition)
    assert all(d.condition for d in space.dimensions[last_without + 1 :])


@pytest.mark.parametrize(
    ("when", "arguments", "problems"),
    [
        ({"model": {"a": "1,2"}}, [], ["when: model: must be KEY=VALUE or KEY=choice(VALUE, ...)"]),
        ({"model=(": {"a": "1,2"}}, [], ["when: model=(: must be KEY=VALUE"]),
        ({"~model=rnn": {"a": "1,2"}}, [], ["a key that is removed has no value"]),
        ({"n=interval(1,2)": {"a": "1,2"}}, [], ["Can only enumerate CHOICE and RANGE"]),
        ({"model=lstmm": {"a": "1,2"}}, [],
         ["model=lstmm: lstmm is not among rnn, lstm, gru; did you mean lstm?"]),
        ({"model=lstmm": {"a": "1,2"}}, ["model=rnn"], ["lstmm is not among rnn, lstm, gru"]),
        ({"n=choice(2,7)": {"a": "1,2"}}, [], ["7 is not among range(1,4)"]),
        ({"rate=0.5": {"a": "1,2"}}, [],
         ["rate is searched as interval(0,1); a condition needs a choice or a range of ints"]),
        ({"modle=rnn": {"a": "1,2"}}, [], ["modle is not in the config"]),
        ({"model.unit=4": {"a": "1,2"}}, ["model=rnn"], ["model has units, layers, cell; did you"]),
        ({"model.cell=4": {"a": "1,2"}}, ["model=rnn"], ["model.cell is not one value, it has"]),
        ({"model.units=4": {"a": "1,2"}}, [],
         ["model.units may differ by model, which is searched; name model here"]),
        ({"a=x": {"b": "1,2"}, "model=lstm": {"a": "x,y"}}, [],
         ["a is searched further below; its block must come before this one"]),
        ({"a=x": {"a": "x,y"}}, [], ["a is searched further below"]),
        ({"model=lstm": "a"}, [], ["when: model=lstm: must have ranges by config key, not a"]),
        ({"model=lstm": None}, [], ["must have ranges by config key, not None"]),
        ({"model=lstm": {"a": {"b": "1,2"}}}, [],
         ["when: model=lstm.a={'b': '1,2'}: must be one value or range"]),
        ({"model=lstm": {"a": "range(3,3)", "b": "interval(2,1)"}}, [],
         ["'a=range(3,3)' can't be read", "'b=interval(2,1)' can't be read"]),
        ({"model=lstm": {"~a": "1"}}, [], ["'~a=choice(1)' can't be read"]),
        ({"model=lstm": {"n": "1,2"}}, [], ["when: model=lstm: n is given elsewhere, too"]),
        ({"model=lstm": {"a": "1,2"}, "model=gru": {"a": "3,4"}}, [],
         ["when: model=gru: a is given elsewhere, too"]),
        # One problem doesn't bring others along.
        ({"modle=rnn": {"a": "x,y"}, "a=x": {"b": "1,2"}}, [], ["modle is not in the config"]),
        ({"model=lstm": {"a": "range(3,3)"}, "a=x": {"b": "1,2"}}, [], ["range(3,3)"]),
    ],
)  # fmt: skip
def test_problems(when: Mapping[str, object], arguments: list[str], problems: list[str]) -> None:
    found = read(when, *arguments)[1]
    assert len(found) == len(problems)
    for text, expected in zip(found, problems, strict=True):
        assert expected in text


NESTED = {
    "model=choice(lstm,gru)": {"dropout": "choice(yes,no)"},
    "dropout=yes": {"share": "range(1,3)"},
}


@pytest.mark.parametrize(
    ("params", "when", "expected"),
    [
        (("model=choice(rnn,lstm,gru)",), DROPOUT, [
            {"model": "rnn"},
            {"model": "lstm", "model.dropout": 0.1}, {"model": "lstm", "model.dropout": 0.2},
            {"model": "gru", "model.dropout": 0.1}, {"model": "gru", "model.dropout": 0.2},
        ]),
        (("model=choice(rnn,lstm)",), NESTED | {"model=choice(lstm)": {"b": 5}}, [
            {"model": "rnn"},
            {"model": "lstm", "dropout": "yes", "share": 1, "b": 5},
            {"model": "lstm", "dropout": "yes", "share": 2, "b": 5},
            {"model": "lstm", "dropout": "no", "b": 5},
        ]),
        (("n=range(1,1000001)", "m=range(1,1000001)"), {"n=7": {"a": "1,2"}}, None),
    ],
)  # fmt: skip
def test_which_points_exist(
    params: tuple[str, ...], when: Mapping[str, object], expected: list[dict[str, object]] | None
) -> None:
    # The command line leaves gru out of the second.
    space, problems = with_conditions(
        parse(params)[0], when, params=("model=choice(rnn,lstm,gru)",), arguments=params
    )
    assert not problems
    if expected is None:
        assert space.size == 1_000_001 * 1_000_000
        return
    assert space.points() == expected
    assert space.size == len(expected)
    assert all(space.holds(params) for params in space.points())


@pytest.mark.parametrize(
    ("params", "holds"),
    [
        ({"model": "rnn"}, True),
        ({"model": "gru", "dropout": "no"}, True),
        ({"model": "gru", "dropout": "yes", "share": 2}, True),
        ({}, False),
        ({"model": "gru"}, False),  # its sweep died before the rest was stored
        ({"model": "gru", "dropout": "yes"}, False),
        ({"model": "gru", "dropout": "yes", "share": 9}, False),
        ({"model": "rnn", "dropout": "no"}, False),
        ({"model": "gru", "dropout": "no", "share": 2}, False),
    ],
)
def test_params_are_whole_with_what_applies(params: dict[str, object], holds: bool) -> None:
    space = space_of(NESTED, params=("model=choice(rnn,lstm,gru)",))
    assert space.holds(params) is holds
    if holds:
        expected = [f"{key}={value}" for key, value in params.items()]
        assert space.overrides(params) == expected


def test_a_space_without_an_end_has_no_size() -> None:
    space = space_of({"model=lstm": {"a": "interval(0,1)"}}, params=("model=choice(rnn,lstm)",))
    assert space.size is None


def test_what_a_dimension_brings_along() -> None:
    space = space_of(NESTED, params=("model=choice(rnn,lstm,gru)", "n=1,2"))
    usual = {"model": "rnn", "n": 1}
    assert space.around("share", 2, usual) == {
        "model": "lstm", "n": 1, "dropout": "yes", "share": 2
    }  # fmt: skip
    assert space.around("dropout", "no", usual | {"model": "gru", "share": 1}) == {
        "model": "gru", "n": 1, "dropout": "no"
    }  # fmt: skip


def test_the_condition_is_part_of_the_definition() -> None:
    config = OmegaConf.create({"seed": 0})
    before, now = (
        definition(config, space_of(when, params=("model=choice(rnn,lstm,gru)",)))
        for when in (DROPOUT, {"model=lstm": {"model.dropout": "choice(0.1, 0.2)"}})
    )
    assert search_changes(before, now) == {
        "model.dropout": "model.dropout was choice(0.1, 0.2) when model=choice(lstm, gru), "
        "now it is choice(0.1, 0.2) when model=lstm"
    }


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Up to five keys with up to three values; each may depend on one before it."""
    params, when = [], {}
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=5))
    for number, size in enumerate(sizes):
        grammar = draw(st.sampled_from([f"choice({','.join('abc'[:size])})", f"range({size})"]))
        parent = draw(st.integers(0, number))
        if parent == number:
            params.append(f"k{number}={grammar}")
            continue
        values = draw(st.sets(st.integers(0, sizes[parent] - 1), min_size=1))
        is_choice = any(text.startswith("choice") for text in grammars(params, when, parent))
        texts = ["abc"[value] if is_choice else str(value) for value in sorted(values)]
        condition = f"k{parent}=choice({','.join(texts)})"
        when.setdefault(condition, {})[f"k{number}"] = grammar
    return space_of(when, params=tuple(params))


def grammars(params: list[str], when: dict[str, dict[str, str]], number: int) -> list[str]:
    flat = [*params, *(f"{key}={text}" for block in when.values() for key, text in block.items())]
    return [text.partition("=")[2] for text in flat if text.startswith(f"k{number}=")]


def by_the_book(space: Space) -> set[frozenset[tuple[str, object]]]:
    """Every combination of values, without those whose condition doesn't hold."""
    found = set()
    for values in product(*(dimension.values() or [] for dimension in space.dimensions)):
        params = dict(zip(space.by_key, values, strict=True))
        for d in space.dimensions:
            parent = d.condition and params.get(d.condition.key)
            if d.condition and (parent is None or parent not in d.condition.values):
                del params[d.key]
        found.add(frozenset(params.items()))
    return found


@settings(deadline=None, max_examples=60)
@given(spaces(), st.booleans(), st.integers(0, 99), st.data())
def test_drawn_params_are_whole_and_new(
    space: Space, is_distinct: bool, seed: int, data: st.DataObject
) -> None:
    exist = by_the_book(space)
    assert space.size == len(exist)
    assert {frozenset(params.items()) for params in space.points()} == exist
    plain = RandomSampler(seed)
    study = optuna.create_study(sampler=DistinctSampler(plain, space) if is_distinct else plain)
    known = dict(data.draw(st.sampled_from(sorted(exist, key=str))))
    study.enqueue_trial(known)
    for _ in range(len(exist)):
        ask(study, space)
    drawn = [trial.params for trial in study.get_trials()]
    assert drawn[0] == known
    assert all(space.holds(params) for params in drawn)
    found = {frozenset(params.items()) for params in drawn}
    assert found == exist if is_distinct else found <= exist


@pytest.mark.parametrize("sampler", [TPESampler(seed=0), TPESampler(seed=0, constant_liar=True)])
@pytest.mark.parametrize("is_distinct", [True, False])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_tpe_learns_what_is_best_under_a_choice(sampler: BaseSampler, is_distinct: bool) -> None:
    when = {"model=lstm": {"share": "interval(0,1)"}, "model=gru": {"other": "interval(0,1)"}}
    space = space_of(when, params=("model=choice(rnn,lstm,gru)",))
    study = optuna.create_study(sampler=DistinctSampler(sampler, space) if is_distinct else sampler)
    for _ in range(60):
        running = [ask(study, space), ask(study, space)]  # as with two workers
        for trial in running:
            assert space.holds(trial.params)
            # rnn: 1, gru: 1 to 2, lstm: 0 at best
            off = abs(trial.params["share"] - 0.7) if "share" in trial.params else 1
            study.tell(trial, off + trial.params.get("other", 0))
    late = [trial.params for trial in study.get_trials()[-20:]]
    assert sum(params["model"] == "lstm" for params in late) > 10
    assert study.best_params["share"] == pytest.approx(0.7, abs=0.05)


(SWEEP,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
N_TRIALS = "hydra.sweeper.n_trials=5"
TARGET, MOMENTUM = "compile.optimizer._target_", "compile.optimizer.momentum"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A config folder with a sweep over optimizers, as a flag of Hydra's."""
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "optimizers.yaml").write_text(SWEEP)
    return f"--config-dir={tmp_path}"


def assert_alike(ended: Ended, fixed: Mapping[str, str]) -> None:
    """What each trial has in Optuna it has in MLflow and in its config, and nothing else."""
    study = ended.study()
    parent, *runs = ended.runs()
    assert len(runs) == len(study.trials)
    for trial, run in zip(study.trials, runs, strict=True):
        is_sgd = {**fixed, **trial.params}[TARGET].endswith("SGD")
        assert (MOMENTUM in trial.params) == is_sgd
        assert run.data.params == {key: str(value) for key, value in trial.params.items()}
        assert ("momentum=" in run.info.run_name) == is_sgd
        (config,) = ended.path.glob(f"multirun/*/{trial.number}/.hydra/config.yaml")
        optimizer = OmegaConf.load(config).compile.optimizer
        assert optimizer.get("momentum") == trial.params.get(MOMENTUM)
        (overrides,) = ended.path.glob(f"multirun/*/{trial.number}/.hydra/overrides.yaml")
        assert (f"+{MOMENTUM}=" in overrides.read_text()) == is_sgd
    assert parent.data.metrics["trials_fail"] == 0


@pytest.mark.slow
def test_a_sweep(command: Command, folder: str) -> None:
    name = "hydra.sweeper.study_name=s"
    known = f"hydra.sweeper.enqueue=[{{{TARGET}:keras.optimizers.SGD}}]"
    ended = command("-m", folder, "sweeps=optimizers", name, known, "pruner=none", N_TRIALS)
    assert ended.code == 0, ended.err
    assert_alike(ended, {})
    assert "sampled independently" not in ended.err + ended.out
    drawn = [trial.params[TARGET] for trial in ended.study().trials]
    assert drawn[0] == "keras.optimizers.SGD"
    assert "keras.optimizers.Adam" in drawn
    assert drawn.count("keras.optimizers.Adam") == 1  # there is one such point only
    parent = ended.runs()[0]
    assert parent.data.params[f"search.{MOMENTUM}"] == (
        f"interval(0.0, 0.99) when {TARGET}=keras.optimizers.SGD"
    )
    (results,) = ended.path.glob("multirun/*/optimization_results.yaml")
    assert OmegaConf.load(results).best_params == ended.study().best_params

    (Path(folder.partition("=")[2]) / "sweeps" / "optimizers.yaml").write_text(
        SWEEP.replace("_=keras.optimizers.SGD", "_=keras.optimizers.Adam")
    )
    again = ("-m", folder, "sweeps=optimizers", "hydra.sweeper.resume=s", "pruner=none", N_TRIALS)
    ended = command(*again, path=ended.path)
    assert ended.code == 1
    assert (
        f"{MOMENTUM} was interval(0.0, 0.99) when {TARGET}=keras.optimizers.SGD, now it is "
        f"interval(0.0, 0.99) when {TARGET}=keras.optimizers.Adam" in ended.err
    )


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_the_parent_is_given_on_the_command_line(
    command: Command, folder: str, optimizer: str
) -> None:
    fixed = {TARGET: f"keras.optimizers.{optimizer}"}
    ended = command(
        "-m", folder, "sweeps=optimizers", f"{TARGET}={fixed[TARGET]}", "model.units=choice(3,4)",
        "hydra.sweeper.n_trials=2",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert_alike(ended, fixed)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([f"hydra.sweeper.enqueue=[{{{MOMENTUM}:0.5}}]"],
         f"{MOMENTUM} is searched when {TARGET}=keras.optimizers.SGD; give {TARGET} too"),
        ([f"hydra.sweeper.enqueue=[{{{MOMENTUM}:0.5,{TARGET}:keras.optimizers.Adam}}]"],
         f"when {TARGET}=keras.optimizers.SGD; not when {TARGET}=keras.optimizers.Adam"),
        ([f"{TARGET}=keras.optimizers.SGD", f"hydra.sweeper.enqueue=[{{{TARGET}:a}}]"],
         f"{TARGET} is not searched; searched are {MOMENTUM}"),
        ([f"{TARGET}=choice(keras.optimizers.Adam,keras.optimizers.Lion)", "fit.epochs=0"],
         "fit.epochs=0: must be a whole number"),
    ],
)  # fmt: skip
def test_what_is_refused(command: Command, folder: str, arguments: list[str], problem: str) -> None:
    ended = command("-m", folder, "sweeps=optimizers", *arguments)
    assert ended.code == 1
    assert "1 problem in the input, nothing was started:" in ended.err
    assert problem in ended.err
    assert ended.files() == set()


APP = """
defaults:
  - kind: plain
  - override hydra/sweeper: rnnexp
  - override hydra/launcher: in_process
  - _self_
hydra:
  sweeper:
    n_trials: 9
    params:
      kind: choice(plain, wavy)
    when:
      kind=wavy:
        kind.waves: choice(1, 2, 3)
      kind=choice(plain, wavy):
        kind.level: choice(0.5, 0.7)
"""
MAIN = """
import hydra


@hydra.main(version_base="1.3", config_path=".", config_name="app")
def main(config):
    return config.kind.level * config.kind.get("waves", 1)


main()
"""


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    """An application whose groups have keys of their own."""
    (tmp_path / "app.py").write_text(MAIN)
    (tmp_path / "app.yaml").write_text(APP)
    (tmp_path / "kind").mkdir()
    (tmp_path / "kind" / "plain.yaml").write_text("level: 1.0\n")
    (tmp_path / "kind" / "wavy.yaml").write_text("level: 1.0\nwaves: ???\n")
    return tmp_path / "app.py"


def incomplete(configs: Sequence[DictConfig]) -> list[str]:
    """As an application may check its configs."""
    return [
        f"{config.kind} is incomplete" for config in configs if OmegaConf.missing_keys(config.kind)
    ]


def test_keys_that_only_one_choice_of_a_group_has(command: Command, groups: Path) -> None:
    check = "hydra.sweeper.check=tests.search.test_conditions.incomplete"
    ended = command("-m", "hydra.sweeper.study_name=s", check, tiny=False, script=groups)
    assert ended.code == 0, ended.err
    assert "all 8 params of the search space have been tried" in ended.out
    trials = ended.study().trials
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    assert all(("kind.waves" in t.params) == (t.params["kind"] == "wavy") for t in trials)


@pytest.mark.slow
def test_the_best_of_a_study_with_another_condition(command: Command, groups: Path) -> None:
    first = command("-m", "kind=wavy", "hydra.sweeper.study_name=first", tiny=False, script=groups)
    assert first.code == 0, first.err
    ended = command(
        "-m", "hydra.sweeper.enqueue=first", "kind.level=choice(0.5,0.7)",
        "hydra.sweeper.study_name=second", tiny=False, script=groups, path=first.path,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert ended.study("second").trials[0].params["kind.level"] == 0.5


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("kind.waves", "kind.wavs",
         "kind.wavs is not in the config: kind has level, waves; did you mean waves?"),
        ("kind=wavy:", "kind=wavi:", "wavi is not among plain, wavy; did you mean wavy?"),
        ("kind=wavy:", "kind:", "when: kind: must be KEY=VALUE"),
        ("choice(plain, wavy)\n", "choice(plain, wavi, wavy)\n", "Could not find 'kind/wavi'"),
        ("kind.level: choice(0.5, 0.7)", "+kind.level: 0.5", "Could not append to config"),
        ("choice(1, 2, 3)", "range(3, 3)", "the range is empty"),
        ("choice(0.5, 0.7)", "{a: 1}", "must be one value or range"),
    ],
)  # fmt: skip
def test_bad_conditions(command: Command, groups: Path, old: str, new: str, problem: str) -> None:
    file = groups.with_suffix(".yaml")
    file.write_text(file.read_text().replace(old, new))
    ended = command("-m", tiny=False, script=groups)
    assert ended.code == 1
    assert "1 problem in the input" in ended.err
    assert problem in ended.err
    assert ended.files() == set()
