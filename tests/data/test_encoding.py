import numpy as np
import pytest

from rnnexp.data.encoding import Vocabulary, tokenize


@pytest.mark.parametrize(
    ("text", "split", "tokens"),
    [
        ("Good film.", "whitespace", ["good", "film"]),
        ("Well-made,but LONG!", "whitespace", ["well", "made", "but", "long"]),
        ("I don't. 'Really'?", "whitespace", ["i", "don't", "really"]),
        ("it\u2019s \u201cfine\u201d…", "whitespace", ["it's", "fine"]),
        ("great 😀", "whitespace", ["great", "😀"]),
        ("a<br />b", "whitespace", ["a", "br", "b"]),
        ("이 영화는 정말, 좋다!", "whitespace", ["이", "영화는", "정말", "좋다"]),
        ("यह फिल्म अच्छी है।", "whitespace", ["यह", "फिल्म", "अच्छी", "है"]),
        ("这 电影。", "character", ["这", "电", "影", "。"]),
        ("Ab c", "character", ["a", "b", "c"]),
        (" .,! ", "whitespace", []),
        ("", "character", []),
    ],
)
def test_tokenize(text: str, split: str, tokens: list[str]) -> None:
    assert tokenize(text, split) == tokens


def test_words_are_ranked_by_frequency_then_alphabet() -> None:
    texts = [["b", "a", "c"], ["c", "a"], ["c"]]
    assert Vocabulary.of(texts, None).words == ("c", "a", "b")
    assert Vocabulary.of(texts, 2).words == ("c", "a")


@pytest.mark.parametrize(
    ("text", "maxlen", "row"),
    [
        (["a", "b"], 5, [0, 0, 1, 3, 4]),
        (["a", "x"], 3, [1, 3, 2]),  # x is unknown
        (["a", "b", "a"], 3, [3, 4, 3]),  # too long: the beginning goes
        ([], 3, [0, 0, 1]),
        (["a"], 1, [3]),
    ],
)
def test_encode(text: list[str], maxlen: int, row: list[int]) -> None:
    encoded = Vocabulary(("a", "b")).encode([text], maxlen)
    assert encoded.dtype == np.int32
    assert encoded.tolist() == [row]
