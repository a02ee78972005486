"""Words in context: neighbours of a tiny encoder, and a score that knows what it is worth."""

import numpy as np
import pytest

from textgraft.data.dataset import Dataset
from textgraft.errors import DataError, OptionError
from textgraft.inspection import inspect
from textgraft.inspection.context.vectors import place_of, shared_word
from textgraft.inspection.context.word_in_context import _area, accuracy, auroc, make_pairs
from textgraft.tasks.spans.token_classification import TokenClassification


def test_neighbours_are_words_that_were_put_in_its_place(bert):
    found = inspect.context(bert, ["the coach saw the goal", "we had bread with the coach"])
    assert found.word == "coach"
    assert len(found.static) == 10
    assert all(one.word != "coach" for one in found.static)
    assert found.cosines[0][0] == pytest.approx(1)
    assert found.cosines[0][1] < 1
    for one in found.contexts:
        cosines = [neighbour.cosine for neighbour in one.nearest]
        assert cosines == sorted(cosines, reverse=True)
    assert [one.word for one in found.contexts[0].nearer_here] != [
        one.word for one in found.contexts[1].nearer_here
    ]
    assert "cosine" in found.page().headline


def test_the_word_is_found_as_a_whole():
    assert place_of("bank", "Banks of the Bank") == (13, 17)
    assert shared_word(["The bank was flooded", "The bank of the river was flooded"]) == "flooded"
    with pytest.raises(OptionError, match="does not stand in it"):
        place_of("bank", "a riverbank")
    with pytest.raises(OptionError, match="share no word"):
        shared_word(["a b", "c d"])


def test_a_word_beyond_what_is_read_is_told(bert):
    with pytest.raises(OptionError, match="stands beyond its first 64 tokens"):
        inspect.context(bert, ["the " * 80 + "coach", "the coach"], word="coach")


def tagged(folder, words=12, each=6):
    """Write sentences in which words are of two types, told by the word beside them."""
    lines = []
    for word in range(words):
        name = "".join(chr(97 + int(digit)) for digit in f"{word + 100}")
        for at in range(each):
            kind, beside = (("PER", "saw"), ("LOC", "old"))[at % 2]
            lines += [f"{beside} O", f"{name} B-{kind}", f"w{word}x{at} O", ""]
    path = folder / "tagged.conll"
    path.write_text("\n".join(lines))
    return path


def test_pairs_are_balanced_word_by_word(tmp_path):
    pairs = make_pairs(TokenClassification.read(tagged(tmp_path)))
    assert len({pair.word for pair in pairs}) == 12
    for word in {pair.word for pair in pairs}:
        kinds = [pair.is_same for pair in pairs if pair.word == word]
        assert sum(kinds) * 2 == len(kinds) > 0
    assert all(pair.first.sentence != pair.second.sentence for pair in pairs)


def test_contextual_vectors_tell_what_static_ones_cannot(bert, tmp_path):
    found = inspect.context(bert, tagged=tagged(tmp_path))
    told = {one.vectors: one for one in found.told}
    assert told["static"].auroc.value == 0.5
    assert told["static"].accuracy.value == pytest.approx(0.5, abs=0.1)
    assert told["contextual"].auroc.value > 0.6
    assert found.same * 2 == found.pairs


def test_too_few_words_and_both_inputs_are_refused(tmp_path, bert):
    with pytest.raises(DataError, match="3 words are tagged"):
        inspect.context(bert, tagged=tagged(tmp_path, words=3))
    with pytest.raises(OptionError, match="both sentences and tagged"):
        inspect.context(bert, ["a goal"], tagged=Dataset.unlabelled({"text": []}))


def test_the_interval_of_the_area_covers_though_pairs_of_a_word_are_alike():
    generator = np.random.default_rng(0)
    words = np.repeat(np.arange(40), 6)
    same = np.tile([True, False], 120)

    def draw(count):
        at = np.repeat(np.arange(count), 6)
        return (
            generator.normal(size=count)[at]
            + generator.normal(size=6 * count)
            + 0.8 * np.tile([1, 0], 3 * count)
        )

    true = _area(draw(40_000), np.tile([True, False], 120_000))
    found = [auroc(draw(40), same, words) for _ in range(200)]
    assert 0.91 <= np.mean([one.low <= true <= one.high for one in found]) <= 0.99


def test_a_threshold_is_judged_on_other_words():
    """Where the cosine says nothing, no threshold does better than half."""
    generator = np.random.default_rng(1)
    words, same = np.repeat(np.arange(40), 4), np.tile([True, False], 80)
    found = [accuracy(generator.normal(size=160), same, words).value for _ in range(60)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.02)
    assert accuracy(same + generator.normal(size=160) / 10, same, words).value > 0.97
