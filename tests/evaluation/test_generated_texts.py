"""BLEU, chrF and ROUGE equal the libraries' scores, row weights included."""

from __future__ import annotations

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

from textgraft.evaluation.bleu import bleu_signature, tokenizer_for, weighted_bleu
from textgraft.evaluation.chrf import chrf_signature, weighted_chrf
from textgraft.evaluation.exact_match import weighted_exact_match
from textgraft.evaluation.rouge import weighted_rouge

WORDS = [
    "Ein",
    "kleiner",
    "Hund",
    "läuft",
    "über",
    "die",
    "Wiese",
    ",",
    "12,5",
    "%",
    "isn't",
    "it's",
    "he",
    "runs",
]
CASES = 60


def texts(generator: np.random.Generator, rows: int, *, longest: int = 9, noise: float = 0.4):
    """Make references and answers that share words; some answers are empty, some of one word, some exact."""
    references, answers = [], []
    for _ in range(rows):
        reference = list(map(str, generator.choice(WORDS, int(generator.integers(1, longest)))))
        changed = [str(generator.choice(WORDS)) if generator.random() < noise else word for word in reference]
        kept = int(generator.integers(0, len(changed) + 1)) if generator.random() < 0.5 else len(changed)
        references.append([" ".join(reference)])
        answers.append(" ".join(changed[:kept]))
    return references, answers


def cases():
    """Yield corpora of one row and of many, with hopeless and with all-empty answers among them."""
    for seed in range(CASES):
        generator = np.random.default_rng(seed)
        rows = int(generator.choice([1, 2, 7, 25]))
        references, answers = texts(generator, rows, noise=float(generator.choice([0.0, 0.3, 0.9])))
        if seed % 10 == 0:
            answers = [""] * rows
        yield references, answers, generator


def weightings(generator: np.random.Generator, rows: int) -> np.ndarray:
    """Draw three resamples of the rows, and all of them once."""
    drawn = generator.multinomial(rows, np.full(rows, 1 / rows), size=3).T
    return np.concatenate([np.ones((rows, 1)), drawn], axis=1).astype(np.float32)


def repeated(values: list, counts: np.ndarray) -> list:
    return [value for value, count in zip(values, counts, strict=True) for _ in range(int(count))]


@pytest.mark.parametrize(
    ("ours", "library"), [(weighted_bleu, BLEU()), (weighted_chrf, CHRF())], ids=["bleu", "chrf"]
)
def test_every_resample_scores_as_sacrebleu_scores_the_drawn_rows(ours, library):
    compared = 0
    for references, answers, generator in cases():
        weights = weightings(generator, len(answers))
        found = ours(references, answers, weights)
        for counts, score in zip(weights.T, found, strict=True):
            drawn = repeated(references, counts)
            expected = library.corpus_score(repeated(answers, counts), [[row[0] for row in drawn]]).score
            assert 100 * score == pytest.approx(expected, abs=1e-9)
            compared += 1
    assert compared >= 200


@pytest.mark.parametrize(
    ("ours", "library"), [(weighted_bleu, BLEU()), (weighted_chrf, CHRF())], ids=["bleu", "chrf"]
)
def test_several_references_score_as_in_sacrebleu(ours, library):
    generator = np.random.default_rng(1)
    references, answers = texts(generator, 40)
    others, _ = texts(generator, 40)
    both = [[*first, *second] for first, second in zip(references, others, strict=True)]
    columns = [[row[place] for row in both] for place in (0, 1)]
    (found,) = ours(both, answers, np.ones((40, 1), dtype=np.float32))
    assert 100 * found == pytest.approx(library.corpus_score(answers, columns).score, abs=1e-9)


def test_rouge_is_the_weighted_mean_of_the_librarys_scores():
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    compared = 0
    for references, answers, generator in cases():
        weights = weightings(generator, len(answers))
        found = weighted_rouge(references, answers, weights)
        rows = [scorer.score(texts[0], answer) for texts, answer in zip(references, answers, strict=True)]
        for ours, theirs in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
            values = np.array([row[theirs].fmeasure for row in rows])
            expected = [np.average(values, weights=counts) for counts in weights.T]
            np.testing.assert_allclose(found[ours], expected, atol=1e-12)
            compared += len(expected)
    assert compared >= 200


def test_exact_match_forgives_white_space_only():
    references = [["a b"], ["a", "b"], ["A"], ["a"]]
    found = weighted_exact_match(references, [" a  b ", "b", "a", ""], np.ones((4, 1), dtype=np.float32))
    assert found == pytest.approx([0.5])


def test_nothing_scores_nothing():
    empty = np.zeros((1, 1), dtype=np.float32)
    assert weighted_bleu([["a"]], ["a"], empty) == [0]
    assert weighted_chrf([["a"]], ["a"], empty) == [0]
    assert weighted_exact_match([["a"]], ["a"], empty) == [0]


def test_signatures_are_those_of_sacrebleu():
    for library, ours in ((BLEU(), bleu_signature(1)), (CHRF(), chrf_signature(1))):
        library.corpus_score(["a"], [["a"]])
        assert ours == library.get_signature().format()


@pytest.mark.parametrize(
    ("language", "expected"), [("de", "13a"), ("zh", "zh"), ("zh_TW", "zh"), ("ja", "char"), (None, "13a")]
)
def test_the_tokenizer_fits_the_language(language, expected):
    assert tokenizer_for(language) == expected
