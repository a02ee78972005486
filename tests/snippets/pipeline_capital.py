# Needs the graft question-answering
from textgraft import pipeline

answer = pipeline("question-answering")
result = answer(
    question="What is the capital of France?",
    context="France is a country in Europe. Paris is the capital of France.",
)
print(result)

assert result["answer"] == "Paris"
assert (result["start"], result["end"]) == (31, 36)
