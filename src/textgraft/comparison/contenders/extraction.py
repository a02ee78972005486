"""Summaries made of the document's own sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import Field

from textgraft.comparison.contenders.base import (
    Contender,
    Count,
    EpochSchedule,
    Fitted,
    Job,
    TrainedSettings,
)
from textgraft.comparison.contenders.bert import WINDOWS
from textgraft.data.dataset import Dataset
from textgraft.errors import OptionError
from textgraft.models.encoders import encoder_max_length, load_encoder_tokenizer
from textgraft.training.settings import Fraction

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from textgraft.comparison.contenders.shared import SharedEncoder
    from textgraft.models.encoders import EncoderSource
    from textgraft.models.graft.extraction import GraftForExtraction
    from textgraft.tasks.generation.base import SourceFeatures
    from textgraft.training.sentence_selection import EncodedDocument

_LEAST_SHARE = 0.2
"""Of the time there is: for the training, whatever the encodings took."""


class ExtractionSettings(TrainedSettings):
    """Settings of layers between the encodings of sentences; see ExtractionConfig."""

    sentences: Annotated[int, Field(ge=1)] | None = None
    """Sentences of a summary at most; None: as many, of one to three, as are best on the dev rows."""
    between_size: Count = 256
    """Width of the layers between sentences."""
    between_layers: Count = 2
    """How many of these layers there are."""
    between_heads: Count = 4
    """Attention heads of each."""
    between_feed_forward_size: Count = 512
    """Width between the two maps of each."""
    between_dropout: Fraction = 0.1
    """Fraction of what each computes set to zero in training."""


def _extraction(job: Job, settings: ExtractionSettings) -> Fitted:
    """Encode every sentence once with the frozen encoder, and train what chooses among them."""
    import torch

    from textgraft.evaluation.extraction import MOST_SENTENCES
    from textgraft.models.baselines.softmax_regression import Clock
    from textgraft.models.graft.extraction import ExtractionConfig, GraftForExtraction
    from textgraft.models.windows import longest
    from textgraft.tokenization.encode import TextFrame
    from textgraft.tokenization.subword_tokenizer import start_and_end
    from textgraft.training.loop import fit
    from textgraft.training.sentence_selection import SentenceSelection

    clock = Clock(job.max_seconds)
    source = job.needed_encoder()
    tokenizer = _reading_sentences(source)
    frame = TextFrame.of(tokenizer.backend_tokenizer, "a").size
    length = job.max_length or longest(encoder_max_length(source), WINDOWS, frame)
    shared = job.shared.encoder(source, None)
    before = shared.owed
    train, dev = (_documents(job, rows, tokenizer, length, shared) for rows in (job.train, job.dev))
    cached = shared.owed - before
    start, end = start_and_end(tokenizer)
    config = ExtractionConfig.on(
        source,
        pooling=shared.encoder.pooling,
        normalize=shared.encoder.normalize,
        window=shared.encoder.max_length,
    )
    config.pad_token_id, config.eos_token_id = tokenizer.pad_token_id, end
    config.bos_token_id = config.decoder_start_token_id = start
    for name, value in settings.model("sentences").items():
        setattr(config, name, value)
    with torch.random.fork_rng([]):
        torch.manual_seed(job.seed)
        model = GraftForExtraction(config)
    training = settings.training(job)
    if job.max_seconds is not None:
        # What was known of texts before is charged, so that the same time is left whatever ran before.
        left = (clock.left or 0.0) - cached
        training = training.but(max_seconds=max(_LEAST_SHARE * job.max_seconds, left))
    # The loop asks nothing more of a model than any module has.
    scorer = cast("PreTrainedModel", model.scorer)
    result = fit(scorer, SentenceSelection(train, dev), training, folder=job.folder, on_step=job.on_step)
    model.eval()
    model.generation_config.update(max_new_tokens=length)
    wanted = range(1, MOST_SENTENCES + 1) if settings.sentences is None else [settings.sentences]
    config.sentences = _best_number(job, model, tokenizer, length, list(wanted), dev)
    return Fitted(
        model,
        tokenizer,
        length,
        epochs=result.epochs,
        stopped_by=result.stopped_by,
        history=result.history,
        cached_seconds=cached,
        cut=result.cut,
        begun_from=source,
    )


def _reading_sentences(source: EncoderSource) -> PreTrainedTokenizerFast:
    """Return the encoder's tokenizer, which is to read documents sentence by sentence.

    Raises:
        OptionError: It has no token that begins a text.
    """
    from textgraft.tokenization.encode import TextFrame, ask_for
    from textgraft.tokenization.marked_sentences import SENTENCES

    tokenizer = load_encoder_tokenizer(source)
    frame = TextFrame.of(tokenizer.backend_tokenizer, "a")
    if not frame.before or not frame.after:
        raise OptionError(
            "this encoder's tokenizer puts no tokens around a text, by which sentences could be told apart",
            where=source.name,
            fix="Take an encoder of BERT's kind.",
        )
    ask_for(tokenizer, SENTENCES)
    return tokenizer


def _documents(
    job: Job, rows: Dataset, tokenizer: PreTrainedTokenizerFast, length: int, shared: SharedEncoder
) -> list[EncodedDocument]:
    """Cut documents into sentences, encode these, and ask the oracle which to take."""
    from textgraft.evaluation.extraction import oracle, overlaps
    from textgraft.training.sentence_selection import EncodedDocument

    features: list[SourceFeatures] = job.task.features(rows, tokenizer, length)
    encodings = shared.encode([sentence for own in features for sentence in own["sentences"]])
    documents, start = [], 0
    for feature, gold in zip(features, job.targets(rows), strict=True):
        own = feature["sentences"]
        documents.append(
            EncodedDocument(encodings[start : start + len(own)], oracle(own, gold), overlaps(own, gold))
        )
        start += len(own)
    return documents


def _best_number(
    job: Job,
    model: GraftForExtraction,
    tokenizer: PreTrainedTokenizerFast,
    length: int,
    wanted: list[int],
    dev: list[EncodedDocument],
) -> int:
    """Return how many sentences make the best summaries of the dev rows, by the task's main metric."""
    if len(wanted) == 1:
        return wanted[0]
    import torch

    from textgraft.models.graft.extraction import choose, padded_documents
    from textgraft.tokenization.marked_sentences import split_at

    features: Any = job.task.features(job.dev, tokenizer, length)
    start = model.config.decoder_start_token_id
    probabilities: list[list[float]] = []
    with torch.inference_mode():
        for document in dev:
            logits = model.scorer(*padded_documents([torch.from_numpy(document.encodings).to(model.device)]))
            probabilities.append(logits[0].sigmoid().tolist())
    scores = {}
    for number in wanted:
        answers = [
            " ".join(
                feature["sentences"][place]
                for place, _ in choose(split_at(feature["input_ids"], start), own, number)
            )
            for feature, own in zip(features, probabilities, strict=True)
        ]
        scores[number] = job.task.metrics(job.targets(job.dev), answers)[job.task.main_metric]
    return max(scores, key=lambda number: scores[number])


_USUAL = ExtractionSettings(
    learning_rate=1e-3,
    batch_size=32,
    max_tokens=1024,
    between_size=256,
    between_layers=2,
    between_dropout=0.1,
)

CONTENDERS = (
    Contender(
        name="bert-extractive",
        asked_about="BERT",
        title="sentences chosen by BERT",
        recipe=_extraction,
        grid=(
            _USUAL,
            _USUAL.but(learning_rate=3e-4, between_dropout=0.3),
            _USUAL.but(between_layers=1, between_dropout=0.3),
        ),
        tasks=("summarization",),
        colour="#cc79a7",
        marker="star-square",
        is_default=True,
        epochs=EpochSchedule(rows=60_000, least=3, most=30, shortest=0.2),
        needs_encoder=True,
    ),
)
