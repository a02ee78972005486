"""Batches are filled up to a few shapes, and answers are as without."""

import random

import numpy as np

from textgraft.serving.queueing import Item, choose_batch
from textgraft.serving.shapes import all_shapes, filled


def shapes_met(engine, monkeypatch):
    """Record the shapes of what an engine computes."""
    met, run_all = [], engine.run_all

    def recording(batches):
        def seen():
            for batch in batches:
                met.append(batch["input_ids"].shape)
                yield batch

        return run_all(seen())

    monkeypatch.setattr(engine, "run_all", recording)
    return met


def test_an_encoder_meets_few_shapes_and_answers_alike(models, monkeypatch):
    lane, encoder = models[0].encoder.lane, models[0].encoder.encoder
    generator = random.Random(0)
    batches = [
        [[101, *generator.choices(range(1000, 9000), k=generator.randint(1, 40)), 102] for _ in range(count)]
        for count in (1, 2, 3, 5, 7)
    ]
    expected = [vectors for batch in batches for vectors in encoder.encode_batches(iter([batch]))]
    met = shapes_met(encoder.open(), monkeypatch)
    found = list(lane.run(iter(batches)))
    assert [len(vectors) for vectors in found] == [1, 2, 3, 5, 7]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert [rows for rows, _ in met] == [1, 2, 4, 8, 8]
    assert all(width % 4 == 0 for _, width in met)


def test_all_shapes_within_a_budget_are_few():
    generator = random.Random(0)
    met = set()
    for _ in range(2000):
        lengths = [generator.randint(3, 256) for _ in range(generator.choice([1, 3, 8, 64]))]
        window = [Item(None, place, None, length, place) for place, length in enumerate(lengths)]
        batch = choose_batch(window, 768, 64)
        met.add(filled(len(batch), batch[-1].tokens, 256))
    assert met <= set(all_shapes(768, 64, 256))
    assert len(all_shapes(768, 64, 256)) < 110


def test_an_encoder_prepares_itself_for_shapes(models, monkeypatch):
    lane = models[0].encoder.lane
    met = shapes_met(lane.encoder.open(), monkeypatch)
    shapes = all_shapes(16, 4, 12)
    assert shapes == [(1, 4), (1, 8), (2, 4), (1, 12), (2, 8), (4, 4)]
    assert len(list(lane.warming(shapes))) == 6
    assert met == shapes
    monkeypatch.setattr("textgraft.serving.encoding.WARMING_SECONDS", -1.0)
    assert not list(lane.warming(shapes)), "no longer than that"


def test_a_text_is_never_wider_than_the_model_reads():
    assert filled(1, 250, 250) == (1, 250)
    assert filled(1, 250, 512) == (1, 256)
