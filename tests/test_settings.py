from pathlib import Path

import pytest
from pydantic import Field, ValidationError, model_validator

from adapt.errors import UserError
from adapt.settings import Settings, load_settings


class Inner(Settings):
    gain: float = Field(gt=0)


class Outer(Settings):
    inner: Inner
    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> "Outer":
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


def test_good_settings_are_read_and_cannot_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text("inner: {gain: 2}\nhigh: 3")
    settings = load_settings(path, Outer)
    assert (settings.inner.gain, settings.low, settings.high) == (2.0, 0.0, 3.0)
    with pytest.raises(ValidationError):
        settings.high = 4.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("inner: {gain: 2, gian: 3}", "unknown key 'inner.gian': remove it or correct its spelling"),
        ("inner: {}", "key 'inner.gain' is missing: add it"),
        ("inner: {gain: -1}", "key 'inner.gain': Input should be greater than 0"),
        ("inner: {gain: .nan}", "key 'inner.gain': Input should be a finite number"),
        ("inner: {gain: .inf}", "key 'inner.gain': Input should be a finite number"),
        ("inner: {gain: fast}", "key 'inner.gain': Input should be a valid number"),
        ("inner: {gain: 2}\nlow: 7", "low must be below high"),
        ("inner: {gain: 2", "not valid YAML"),
        ("- inner", "expected a mapping of keys to values"),
        ("", "expected a mapping of keys to values"),
    ],
)
def test_a_mistake_is_told_on_one_line_with_file_and_key(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(content)
    with pytest.raises(UserError) as error:
        load_settings(path, Outer)
    assert str(error.value).startswith(f"{path}: ") and told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "weights.yaml"
    path.write_bytes(bytes(range(128, 256)))
    with pytest.raises(UserError, match=r"weights\.yaml: not valid YAML"):
        load_settings(path, Outer)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.yaml: no such file"):
        load_settings(tmp_path / "absent.yaml", Outer)
