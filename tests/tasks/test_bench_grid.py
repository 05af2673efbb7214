import pytest

from rtaudio.tasks.bench_grid import streams_line


def rows(model="m", **fits):
    return [{"model": model, "streams": int(n[1:]), "fits": f, "judged_by": "p99.9"} for n, f in fits.items()]


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (rows(n1=True, n8=True, n64=False), "8 streams fit the hop on one core at p99.9; 64 do not"),
        (rows(n1=True, n8=True), "8 streams fit the hop on one core at p99.9; more were not tried"),
        (rows("a", n8=True) + rows("b", n8=False),
         "a: 8 streams fit the hop on one core at p99.9; more were not tried; "
         "b: none of the numbers of streams tried fits one core at p99.9"),
        (rows(n1=True, n8=False), "1 stream fits the hop on one core at p99.9; 8 do not"),
        (rows(n8=False), "none of the numbers of streams tried fits one core at p99.9"),
    ],
)  # fmt: skip
def test_the_most_that_fits_is_named_and_what_does_not(told, line):
    assert streams_line(told) == line
