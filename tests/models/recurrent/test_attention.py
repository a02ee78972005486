import torch

from textgraft.models.recurrent.attention import AttentionPooling


def test_weights_are_zero_at_padding_and_sum_to_one():
    torch.manual_seed(0)
    pooling = AttentionPooling(8, 6)
    mask = torch.tensor([[True, True, True, False], [True, False, False, False]])
    pooled, weights = pooling(torch.randn(2, 4, 8), mask)
    assert pooled.shape == (2, 8)
    assert torch.all(weights[~mask] == 0)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))


def test_pooled_vector_is_the_weighted_mean():
    torch.manual_seed(0)
    pooling = AttentionPooling(8, 6)
    states, mask = torch.randn(1, 5, 8), torch.ones(1, 5, dtype=torch.bool)
    pooled, weights = pooling(states, mask)
    u = torch.tanh(states[0] @ pooling.projection.weight.T + pooling.projection.bias)
    expected = torch.softmax(u @ pooling.context.weight[0], dim=0)
    torch.testing.assert_close(weights[0], expected)
    torch.testing.assert_close(pooled[0], expected @ states[0])
