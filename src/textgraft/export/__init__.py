"""Models as ONNX, for where torch is not: a folder with a graph, a runner of one file, and a page."""
