"""What is missing is named: a skip on somebody's machine, a failure in CI."""

import pytest

from tests.live.conftest import need


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_missing_server_is_a_skip_and_in_ci_a_failure(monkeypatch, ci, outcome):
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no-such-server missing: sudo apt-get install -y some-package"):
        need(("no-such-server",), "some-package")
