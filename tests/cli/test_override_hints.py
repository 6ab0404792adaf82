import pytest

from rnnexp.cli.override_hints import unknown_choices
from tests.helpers.commands import ROOT, Command


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("callbacks=[early_stopping,csv_logger]", None),
        ("callbacks=[]", None),
        ("callbacks=[ early_stopping , csv_logger ]", None),
        ("compile.metrics=[accuracy]", None),
        ("model=[what]", "model: there is no what; there are bidirectional, gru, "),
        ("callbacks=early_stopping", None),
        ("model=choice(lstm,gru)", None),
        ("callbacks=null", None),
        ("checkpoint=best.keras", None),
        ("+own=1", None),
        ("hydra/launcher=in_process", None),
        ("model=lstmm", "model: there is no lstmm; did you mean lstm? There are bidirectional, "),
        ("modle=lstm", "modle=lstm: there is no modle; did you mean model? There are callbacks, "),
        (
            "callbacks=[csv_logger,csv_logger]",
            "callbacks: csv_logger is given 2 times; give it once",
        ),
        ("callbacks=[csv_loger]", "callbacks: there is no csv_loger; did you mean csv_logger? "),
    ],
)
def test_unknown_choices(argument: str, problem: str | None) -> None:
    found = unknown_choices(["-m", argument], ROOT / "conf")
    assert found is None if problem is None else found and found.startswith(problem)


@pytest.mark.parametrize("mode", [["-m"], []])
def test_an_unknown_choice_is_refused(command: Command, mode: list[str]) -> None:
    ended = command(*mode, "callbacks=[early_stoping]")
    assert ended.code == 1
    assert "did you mean early_stopping?" in ended.err
    assert ended.files() == set()
