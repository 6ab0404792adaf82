import subprocess

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from rnnexp.search.quoting import as_value, can_be_read, for_shell, in_quotes
from tests.helpers.docs import ZSH


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("data.text=리뷰", "data.text='리뷰'"),
        ("data.text=review (en)", "data.text='review (en)'"),
        ("data.text=it's", r"data.text='it\'s'"),
        ("tracking.uri=http://a/b?x=1", "tracking.uri='http://a/b?x=1'"),
        ("data.train=#1.csv", "data.train='#1.csv'"),
        ("data.train=a~b.csv", "data.train='a~b.csv'"),
        ("data.text=choice(리뷰,text)", "data.text=choice('리뷰',text)"),
        ("data.text=리뷰,글", "data.text='리뷰','글'"),
        ("+words=[나쁜, good]", "+words=['나쁜', good]"),
        ("+names={a:긍정,b:[부정]}", "+names={a:'긍정',b:['부정']}"),
        ("fit.class_weight={'긍정':2.0}", None),  # Hydra takes no quotes around a key
        ("fit.class_weight={긍정:2.0}", None),
        ("+fit.class_weight.긍정=2.0", None),
        ("model.units=choice(1,", None),
        ("model.units", None),
    ],
)
def test_in_quotes(override: str, expected: str | None) -> None:
    assert in_quotes(override) == expected
    assert expected is None or can_be_read(expected)


@pytest.mark.parametrize(
    "text",
    ["reviews", "a-b_1", "1", "1_0", "null", "true", "a b", "a,b", "[a]", "영화", "it's", ""],
)
def test_as_value(text: str) -> None:
    assert OverridesParser.create().parse_override(f"key={as_value(text)}").value() == text


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_for_shell(shell: str) -> None:
    if shell == "zsh" and not ZSH:
        pytest.skip("zsh is not installed")
    texts = ["a=1", "a=[1,2]", "a={b:1,c:2}", "a='리뷰'", "a='it\\'s $5'", "a=\"b\"'!x'", "~a", "*"]
    line = " ".join(map(for_shell, texts))
    ended = subprocess.run(
        [shell, "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines() == texts
