"""Words as tokens: the tokenizer of the recurrent family and of TF-IDF."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from textgraft.tokenization.scripts import UNSPACED, UNSPACED_TOKEN

PAD, UNKNOWN, START = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]")
"""Their ids are 0, 1 and 2. Every text starts with [CLS], so that an empty one still has a token; so does
each text of a pair, whose tokens are of type 0 and 1."""

_TAGGERS_INPUTS = ("word_mask", "character_ids")

WORD = "|".join(
    (
        UNSPACED_TOKEN,  # scripts without spaces: a character is a word
        r"\d+(?:[.,]\d+)+",  # 1,000.50
        r"\w+?(?=(?i:n't)\b)",  # do|n't, as in the Penn Treebank
        r"(?i:n't)\b",
        r"(?i:'(?:s|m|d|re|ve|ll))\b",  # it|'s
        rf"[\w&&[^{UNSPACED}]]+",
        r"[^\w\s]",  # punctuation, symbols, emoji
    )
)


def train_word_tokenizer(
    texts: Iterable[str],
    *,
    vocabulary_size: int = 30_000,
    min_frequency: int = 2,
    lowercase: bool = True,
    max_length: int = 512,
    whole_words: bool = False,
    in_pairs: bool = False,
) -> PreTrainedTokenizerFast:
    """Learn a vocabulary of words.

    Words are counted in ``texts`` alone: give training rows only. The same texts in any order give the same
    vocabulary, the most frequent words first and equally frequent ones by alphabet.

    Args:
        texts: Raw strings.
        vocabulary_size: Entries at most, the three special tokens included.
        min_frequency: Rarer words become [UNK], whose vector is thereby trained for words never seen.
        lowercase: Whether case is ignored.
        max_length: The tokenizer's ``model_max_length``: tokens kept where truncation is asked for.
        whole_words: Whether the texts are words that were cut before, with white space between. Each is then
            one token, and the tokenizer asks for ``word_mask`` and ``character_ids`` in the batches.
        in_pairs: Whether texts will come in pairs, which token types are to tell apart.

    Returns:
        A tokenizer that pads on the right and saves and loads with the Auto classes.
    """
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    steps = [normalizers.NFC(), normalizers.Replace("’", "'")]
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Lowercase()] if lowercase else steps)
    tokenizer.pre_tokenizer = (
        pre_tokenizers.WhitespaceSplit()
        if whole_words
        else pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
    )
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocabulary_size,
        min_frequency=min_frequency,
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A",
        pair=f"{START} $A {START}:1 $B:1",
        special_tokens=[(START, SPECIAL_TOKENS.index(START))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        cls_token=START,
        padding_side="right",
        truncation_side="right",
        model_max_length=max_length,
        model_input_names=[
            "input_ids",
            *(["token_type_ids"] if in_pairs else ()),
            "attention_mask",
            *(_TAGGERS_INPUTS if whole_words else ()),
        ],
        # A text that happens to say "[PAD]" is text.
        split_special_tokens=True,
    )


def with_words_of(
    tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], min_frequency: int = 2
) -> PreTrainedTokenizerFast:
    """Return a tokenizer that knows the words of some texts, too; their ids follow those it had.

    Args:
        tokenizer: One of whole words or characters; any other knows all words by their parts, and is returned
            as it is.
        texts: Raw strings.
        min_frequency: Rarer words are left unknown.
    """
    if not isinstance(tokenizer.backend_tokenizer.model, models.WordLevel):
        return tokenizer
    learned = copy.deepcopy(tokenizer.backend_tokenizer)
    learned.train_from_iterator(
        texts, trainers.WordLevelTrainer(min_frequency=min_frequency, special_tokens=[], show_progress=False)
    )
    vocabulary = tokenizer.get_vocab()
    by_id = sorted(learned.get_vocab(with_added_tokens=False).items(), key=lambda entry: entry[1])
    for word, _ in by_id:
        vocabulary.setdefault(word, len(vocabulary))
    extended = copy.deepcopy(tokenizer)
    extended.backend_tokenizer.model = models.WordLevel(vocabulary, unk_token=str(tokenizer.unk_token))
    return extended
