import errno
import os

import pytest

from rtaudio.files import whole


def test_what_was_written_takes_the_old_ones_place_at_the_end(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with whole(path) as unfinished:
        unfinished.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    end = os.open(path, os.O_RDWR)  # with both ends open nobody waits for the other
    with whole(path) as unfinished:
        unfinished.write_text("new")
    assert os.read(end, 9) == b"new"
    os.close(end)
    assert path.is_fifo()


def write_half(path, error):
    with whole(path) as unfinished:
        unfinished.write_text("ne")
        raise error


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_what_stops_half_way_leaves_the_old_file_and_nothing_else(tmp_path, stop):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(type(stop)):
        write_half(path, stop)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_an_error_names_the_file_that_was_asked_for(tmp_path):
    path = tmp_path / "missing" / "a.json"
    with pytest.raises(FileNotFoundError) as error:
        write_half(path, None)
    assert error.value.filename == str(path)
