"""The systems of published rows, and where their figures stand."""

from __future__ import annotations

BERT_BASE, BERT_LARGE = "BERT-base", "BERT-large"
BILSTM_ELMO = "BiLSTM+ELMo"
DEVLIN = (
    'Devlin, Chang, Lee and Toutanova 2019, "BERT: pre-training of deep bidirectional transformers for '
    'language understanding", NAACL'
)


def devlin(table: int) -> str:
    """Return where in that paper a figure stands."""
    return f"{DEVLIN}, table {table}"
