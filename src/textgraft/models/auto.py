"""Registers our architectures with the Auto classes; importing this module is enough."""

from __future__ import annotations

from transformers import (
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from textgraft.models.baselines.lead import LeadConfig, LeadForSeq2SeqLM
from textgraft.models.baselines.majority import MajorityConfig, MajorityForSequenceClassification
from textgraft.models.baselines.nearest_caption import NearestCaptionConfig, NearestCaptionForSeq2SeqLM
from textgraft.models.baselines.static import StaticConfig, StaticForSequenceClassification
from textgraft.models.baselines.tfidf import TfidfConfig, TfidfForSequenceClassification
from textgraft.models.generation.copying import CopyingConfig, CopyingEncoderDecoder
from textgraft.models.graft.extraction import ExtractionConfig, GraftForExtraction
from textgraft.models.graft.heads import (
    GraftConfig,
    GraftForMaskedLM,
    GraftForMultipleChoice,
    GraftForQuestionAnswering,
    GraftForSequenceClassification,
    GraftForTokenClassification,
)
from textgraft.models.graft.pairs import PairGraftConfig, PairGraftForSequenceClassification
from textgraft.models.graft.tokenizer import GraftTokenizer
from textgraft.models.recurrent.captioner import CaptionerConfig, CaptionerForSeq2SeqLM
from textgraft.models.recurrent.choice import RecurrentForMultipleChoice
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentForSequenceClassification
from textgraft.models.recurrent.reader import RecurrentForQuestionAnswering
from textgraft.models.recurrent.seq2seq import RecurrentForSeq2SeqLM, RecurrentSeq2SeqConfig
from textgraft.models.recurrent.tagger import RecurrentForTokenClassification
from textgraft.models.registration import ENCODERS, Registered, register
from textgraft.tokenization.subword_tokenizer import SourceTokenizer

MODELS: tuple[Registered, ...] = (
    *ENCODERS,
    (AutoModelForMaskedLM, GraftConfig, GraftForMaskedLM),
    (AutoModelForMultipleChoice, GraftConfig, GraftForMultipleChoice),
    (AutoModelForMultipleChoice, RecurrentConfig, RecurrentForMultipleChoice),
    (AutoModelForQuestionAnswering, GraftConfig, GraftForQuestionAnswering),
    (AutoModelForQuestionAnswering, RecurrentConfig, RecurrentForQuestionAnswering),
    (AutoModelForSeq2SeqLM, CaptionerConfig, CaptionerForSeq2SeqLM),
    (AutoModelForSeq2SeqLM, CopyingConfig, CopyingEncoderDecoder),
    (AutoModelForSeq2SeqLM, ExtractionConfig, GraftForExtraction),
    (AutoModelForSeq2SeqLM, LeadConfig, LeadForSeq2SeqLM),
    (AutoModelForSeq2SeqLM, NearestCaptionConfig, NearestCaptionForSeq2SeqLM),
    (AutoModelForSeq2SeqLM, RecurrentSeq2SeqConfig, RecurrentForSeq2SeqLM),
    (AutoModelForSequenceClassification, GraftConfig, GraftForSequenceClassification),
    (AutoModelForSequenceClassification, MajorityConfig, MajorityForSequenceClassification),
    (AutoModelForSequenceClassification, PairGraftConfig, PairGraftForSequenceClassification),
    (AutoModelForSequenceClassification, RecurrentConfig, RecurrentForSequenceClassification),
    (AutoModelForSequenceClassification, StaticConfig, StaticForSequenceClassification),
    (AutoModelForSequenceClassification, TfidfConfig, TfidfForSequenceClassification),
    (AutoModelForTokenClassification, GraftConfig, GraftForTokenClassification),
    (AutoModelForTokenClassification, RecurrentConfig, RecurrentForTokenClassification),
)

AutoTokenizer.register(GraftConfig, tokenizer_class=GraftTokenizer, exist_ok=True)
AutoTokenizer.register(ExtractionConfig, tokenizer_class=GraftTokenizer, exist_ok=True)
# By its name in tokenizer_config.json it is found for models of any architecture.
AutoTokenizer.register(RecurrentSeq2SeqConfig, tokenizer_class=SourceTokenizer, exist_ok=True)
register(MODELS)
