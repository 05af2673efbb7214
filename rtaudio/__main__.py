"""`python -m rtaudio`."""

import sys

try:
    from rtaudio.cli.main import program
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    program()
