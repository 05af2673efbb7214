"""What flows and how: the stage protocol, native stages, pipelines, the offline runner, statistics."""
