"""Programs to start from, each run with `python -m rtaudio.examples.NAME`."""
