import json
from pathlib import Path

import pytest
from small_robot import write_bag, write_checkpoint

from adapt.cli import main


class Adapt:
    """Runs commands in this process, and gives what a shell would see."""

    def __init__(self, capture):
        self._capture = capture

    def __call__(self, *arguments):
        """Exit code, standard output and standard error."""
        self._capture.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, error = self._capture.readouterr()
        return end.value.code, out, error

    def json(self, *arguments, code=0):
        """The object that is the last line, with `--json` added."""
        found, out, error = self(*arguments, "--json")
        assert found == code, error
        return json.loads(out.splitlines()[-1])

    def refused(self, *arguments):
        """The one line with which a wrong input ends."""
        code, out, error = self(*arguments)
        assert code == 2
        assert out == ""
        assert error.startswith("adapt: ") and error.count("\n") == 1, error
        return error


@pytest.fixture
def adapt(capsys):
    return Adapt(capsys)


@pytest.fixture(scope="session")
def bag(tmp_path_factory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bags") / "motion")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "small.safetensors")


@pytest.fixture(scope="session")
def eager(tmp_path_factory) -> Path:
    """Settings of a learner that makes its first candidate from little, as the bags here are short."""
    path = tmp_path_factory.mktemp("settings") / "eager.yaml"
    path.write_text("fresh_adapt_s: 8.0\nupdate: {steps: 100, learning_rate: 1.0e-3, blend: 1.0}\n")
    return path
