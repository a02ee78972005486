"""Reading a context with a question in mind: bidirectional attention flow (Seo et al. 2017, BiDAF).

Question and context are read by the same recurrent network, each on its own. Attention flows both ways: every
word of the context looks for what it means to the question, and the question tells which words of the context
matter. Further recurrent layers read the context together with what was found, and score every word as start
and as end of the answer.

Of the paper's network the highway layers and the characters of words are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import QuestionAnsweringModelOutput
from transformers.utils import can_return_tuple

from textgraft.models.asked import asked
from textgraft.models.padding import ascending, inverse, one_of, ordered, true_tokens
from textgraft.models.pairs import pair_keys, split_pairs
from textgraft.models.recurrent.encoder import (
    RecurrentConfig,
    RecurrentLayer,
    RecurrentModel,
    RecurrentPreTrainedModel,
)
from textgraft.models.recurrent.reversal import reversal_index

_LEAST = torch.finfo(torch.float32).min
"""Score of what may not be attended to or pointed at; infinity would make NaN of a row without a context."""


class AttentionFlow(nn.Module):
    """Attention between a context and a question (Seo et al. 2017, section 2.4).

        S_tj = w · [h_t; u_j; h_t * u_j]                     how much word t has to do with word j
        v_t  = Σ_j softmax_j(S_tj) u_j                       what the question says to word t
        c    = Σ_t softmax_t(max_j S_tj) h_t                 the words that matter most to the question
        g_t  = [h_t; v_t; h_t * v_t; h_t * c]

    Args:
        size: Width of the states h of the context and u of the question.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.of_context = nn.Linear(size, 1, bias=False)
        self.of_question = nn.Linear(size, 1, bias=False)
        self.of_both = nn.Linear(size, 1, bias=False)

    def forward(
        self, context: Tensor, context_mask: Tensor, question: Tensor, question_mask: Tensor
    ) -> Tensor:
        """Attend.

        Args:
            context: States h, [batch, time, size].
            context_mask: True at true tokens, [batch, time].
            question: States u, [batch, words, size].
            question_mask: True at true tokens, [batch, words].

        Returns:
            g, [batch, time, 4 * size].
        """
        # The product with w is taken apart, so that nothing of [batch, time, words, size] is ever held.
        both = (context * self.of_both.weight) @ question.transpose(1, 2)
        scores = both + self.of_context(context) + self.of_question(question).transpose(1, 2)
        scores = scores.float().masked_fill(~question_mask.unsqueeze(1), _LEAST)
        found = scores.softmax(dim=-1).to(question.dtype) @ question
        matter = scores.amax(dim=-1).masked_fill(~context_mask, _LEAST).softmax(dim=-1)
        asked = matter.to(context.dtype).unsqueeze(1) @ context
        return torch.cat([context, found, context * found, context * asked], dim=-1)


class RecurrentForQuestionAnswering(RecurrentPreTrainedModel):
    """Embed, encode, attend both ways, model, point.

    The context must begin with a special token, as the word tokenizer's second [CLS]: it stands for "no
    answer in this context", and its scores are those of the first token of the input.

    Args:
        config: Its description; ``pooling`` has no part in it.
    """

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        size = config.state_size
        self.recurrent = RecurrentModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(config.dropout)
        self.attention = AttentionFlow(size)
        self.modeling = nn.ModuleList([RecurrentLayer(config, 4 * size), RecurrentLayer(config, size)])
        self.ending = RecurrentLayer(config, size)
        self.start = nn.Linear(5 * size, 1)
        self.end = nn.Linear(5 * size, 1)
        self.post_init()

    def output_parameters(self) -> list[nn.Parameter]:
        """Return what logits are linear in."""
        return [*self.start.parameters(), *self.end.parameters()]

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> QuestionAnsweringModelOutput:
        """Score every token as start and end of the answer.

        Args:
            input_ids: Question and context, [batch, time].
            attention_mask: 1 at true tokens, [batch, time]; without it every pad_token_id is padding.
            token_type_ids: 0 at the question's tokens and 1 at the context's, [batch, time].
            start_positions: First token of the answer in ``input_ids``, [batch]; 0, or the first true token,
                for none.
            end_positions: Its last token, [batch].
            inputs_embeds: Word vectors in place of ids, [batch, time, embedding_size].
            output_attentions: There are none to return.
            output_hidden_states: Whether to return what the context's tokens were found to have to do with
                the question, and the states of the layers above, each [batch, longest context, …].

        Returns:
            start_logits and end_logits [batch, time], of least value at the question but its first token and
            at padding; with both positions also the loss, the mean cross-entropy of starts and ends.

        Raises:
            OptionError: The token types are missing.
        """
        wanted = asked(
            self.config, output_attentions=output_attentions, output_hidden_states=output_hidden_states
        )
        inputs = one_of(input_ids, inputs_embeds)
        batch, time = inputs.shape[:2]
        texts, mask = split_pairs(inputs, attention_mask, token_type_ids, self.config.pad_token_id)
        lengths = mask.sum(dim=1)
        question, question_mask = self._read(texts[:batch], mask[:batch])
        context, context_mask = self._read(texts[batch:], mask[batch:])
        found = self.attention(context, context_mask, question, question_mask)

        reversal = reversal_index(lengths[batch:].clamp(min=1), context.shape[1])
        every = [found]
        for layer in self.modeling:
            every.append(layer(self.dropout(every[-1]), reversal))
        modeled = every[-1]
        ending = self.ending(self.dropout(modeled), reversal)
        start = self.start(self.dropout(torch.cat([found, modeled], dim=-1))).squeeze(-1)
        end = self.end(self.dropout(torch.cat([found, ending], dim=-1))).squeeze(-1)

        place, is_scored = _places(lengths[:batch], lengths[batch:], time)
        start_logits, end_logits = (
            logits.float().gather(1, place).masked_fill(~is_scored, _LEAST) for logits in (start, end)
        )
        true = true_tokens(attention_mask, inputs, self.config.pad_token_id)
        back = inverse(ascending(pair_keys(true, token_type_ids)))
        loss = None
        if start_positions is not None and end_positions is not None:
            of_starts = nn.functional.cross_entropy(start_logits, _moved(start_positions, back))
            of_ends = nn.functional.cross_entropy(end_logits, _moved(end_positions, back))
            loss = (of_starts + of_ends) / 2
        return QuestionAnsweringModelOutput(
            loss=loss,
            start_logits=ordered(start_logits, back),
            end_logits=ordered(end_logits, back),
            hidden_states=(*every, ending) if wanted["output_hidden_states"] else None,
        )

    def _read(self, texts: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the states of texts, and which of them are true, without padding that is common to all."""
        longest = mask.sum(dim=1).max().clamp(min=1)
        texts, mask = texts[:, :longest], mask[:, :longest]
        name = "input_ids" if texts.dim() == 2 else "inputs_embeds"
        outputs = self.recurrent(**{name: texts}, attention_mask=mask, return_dict=True)
        return outputs.last_hidden_state, mask.bool()


def _moved(positions: Tensor, back: Tensor | None) -> Tensor:
    """Return where positions of the inputs are once question and context stand at the front; 0 stays."""
    if back is None:
        return positions
    moved = back.gather(1, positions.clamp(min=0).unsqueeze(1)).squeeze(1)
    return torch.where(positions > 0, moved, positions)


def _places(questions: Tensor, contexts: Tensor, time: int) -> tuple[Tensor, Tensor]:
    """Return where in its context each token of an input is scored, and whether it is, both [batch, time].

    Args:
        questions: Length of each question, [batch].
        contexts: Length of each context, its special token included, [batch].
        time: Padded length of the inputs.
    """
    position = torch.arange(time, device=questions.device).unsqueeze(0)
    place = position - questions.unsqueeze(1)
    # The special token's own place is left to the first token of the input, which speaks for it.
    is_scored = (position == 0) | ((place > 0) & (place < contexts.unsqueeze(1)))
    return place.masked_fill(~is_scored | (position == 0), 0), is_scored
