"""What the user came for, one file a task: builds a pipeline from a configuration."""

DEFAULT_MODEL = "standard"

DEFAULT_ATTEN_LIMIT_DB = 24.0
"""Most a denoiser lowers anything, unless it is told or its weights' card names another limit: an even bed
of noise that far down sounds better in pauses than what most nets leave of it, which comes and goes."""

DEFAULT_PRECISION = "float32"
