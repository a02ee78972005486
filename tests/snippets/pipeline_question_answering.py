# Needs the graft question-answering
from textgraft import pipeline

answer = pipeline("question-answering")
context = "BERT is a language model from Google."
result = answer(question="What is BERT?", context=context)
print(result)

assert list(result) == ["score", "start", "end", "answer"]
assert result["answer"] == "a language model from Google"
assert context[result["start"] : result["end"]] == result["answer"]
