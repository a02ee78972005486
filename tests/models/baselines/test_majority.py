import torch
from transformers import AutoModelForSequenceClassification

import textgraft.models.auto  # noqa: F401
from textgraft.models.baselines.majority import MajorityConfig, MajorityForSequenceClassification


def test_shares_of_the_training_labels_whatever_the_text(tmp_path):
    config = MajorityConfig(label_counts=[30, 60, 10], num_labels=3)
    MajorityForSequenceClassification(config).save_pretrained(tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    outputs = model(
        torch.tensor([[5, 6], [7, 0]]), torch.tensor([[1, 1], [1, 0]]), labels=torch.tensor([1, 1])
    )
    expected = torch.tensor([0.3, 0.6, 0.1])
    torch.testing.assert_close(outputs.logits.softmax(1), expected.expand(2, 3))
    torch.testing.assert_close(outputs.loss, -expected[1].log())


def test_a_label_never_seen_has_a_small_finite_fraction():
    model = MajorityForSequenceClassification(MajorityConfig(label_counts=[99, 0], num_labels=2))
    logits = model(torch.ones(1, 1, dtype=torch.long)).logits[0]
    assert torch.isfinite(logits).all()
    assert 0 < logits.exp()[1] < 0.01
