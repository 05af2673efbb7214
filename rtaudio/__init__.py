"""Real-time streaming neural audio: native callbacks, native stages, stated latency budgets."""
