"""What the user came for, one file a task: builds a pipeline from a configuration."""

DEFAULT_MODEL = "standard"

DEFAULT_ATTEN_LIMIT_DB = 24.0
"""Most the denoiser lowers anything unless told: an even bed of noise, 24 dB down, sounds better in
pauses than what any net leaves of it, and scores better too (see the model's card)."""

DEFAULT_PRECISION = "float32"
