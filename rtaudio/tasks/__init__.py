"""What the user came for, one file a task: builds a pipeline from a configuration."""
