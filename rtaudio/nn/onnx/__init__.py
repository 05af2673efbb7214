"""Streaming ONNX models: those of others, described and run, and ours written out."""
