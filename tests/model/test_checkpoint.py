import json
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from small_model import ARM, random_model, random_windows

from adapt.errors import UserError
from adapt.model.checkpoint import (
    content_hash,
    load_card,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    shipped_checkpoint,
)

MODEL = random_model()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, MODEL, ARM, lineage={"seed": 0})
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as error:
        load_checkpoint(path, ARM)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_checkpoint_comes_back_bit_for_bit(saved: Path) -> None:
    model, card = load_checkpoint(saved, ARM)
    assert not model.training
    state = MODEL.state_dict()
    assert all(torch.equal(weight, state[name]) for name, weight in model.state_dict().items())
    with torch.no_grad():
        assert torch.equal(model.forecast(random_windows(2)), MODEL.forecast(random_windows(2)))
    assert card == load_card(saved)
    assert (card.version, card.robot) == (content_hash(state), "so101")
    assert (card.schema_hash, card.lineage) == (ARM.schema_hash, {"seed": 0})


def test_the_version_names_the_weights_and_nothing_else(tmp_path: Path) -> None:
    first = save_checkpoint(tmp_path / "a.safetensors", MODEL, ARM)
    again = save_checkpoint(tmp_path / "b.safetensors", MODEL, ARM, parent="x", lineage={"seed": 1})
    assert first.version == again.version and again.parent == "x"
    state = {name: weight.clone() for name, weight in MODEL.state_dict().items()}
    state["time_code"][0, 0] += 1e-6
    assert content_hash(state) != first.version


def test_a_file_cut_off_anywhere_is_refused(saved: Path) -> None:
    content = saved.read_bytes()
    for length in (0, 7, 8, 100, len(content) // 2, len(content) - 1):
        saved.write_bytes(content[:length])
        assert f"{saved}: not a whole safetensors file" in refusal(saved)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255), in_head=st.booleans())
def test_an_altered_byte_never_changes_a_weight(saved: Path, place: float, value: int, in_head: bool) -> None:
    whole = saved.read_bytes()
    content = bytearray(whole)
    end = 8 + int.from_bytes(content[:8], "little") if in_head else len(content)
    content[int(place * end)] ^= value
    saved.write_bytes(content)
    try:
        model, _ = load_checkpoint(saved, ARM)
    except UserError as error:
        assert str(saved) in str(error)
    else:
        state = MODEL.state_dict()
        assert all(torch.equal(weight, state[name]) for name, weight in model.state_dict().items())
    finally:
        saved.write_bytes(whole)


def test_numbers_told_to_be_of_another_type_are_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes().replace(b'"F32"', b'"I32"', 1))
    assert "are not those of the card" in refusal(saved)


def test_weights_of_another_version_are_refused(saved: Path) -> None:
    state = MODEL.state_dict()
    state["time_code"] = state["time_code"] + 1.0
    save_file(state, saved)
    assert f"{saved}: the weights are not those of the card" in refusal(saved)


def test_a_weight_that_is_not_finite_is_refused(saved: Path) -> None:
    state = dict(MODEL.state_dict())
    state["time_code"] = torch.full_like(state["time_code"], torch.nan)
    save_file(state, saved)
    card = json.loads(saved.with_suffix(".json").read_text())
    saved.with_suffix(".json").write_text(json.dumps(card | {"version": content_hash(state)}))
    places = state["time_code"].numel()
    assert f"{saved}: weight 'time_code' is not finite in {places} of {places} places" in refusal(saved)
    saved.with_suffix(".json").write_text(json.dumps(card))
    assert "weight 'time_code' is not finite" in refusal(saved), "which says more than that it was altered"


def test_a_model_that_is_not_finite_overwrites_nothing(saved: Path) -> None:
    before = {path.name: path.read_bytes() for path in saved.parent.iterdir()}
    broken = random_model()
    with torch.no_grad():
        broken.dynamics.impulse_response[0, 0, 0] = torch.inf
    with pytest.raises(
        UserError, match=r"model\.safetensors: weight 'dynamics.impulse_response' is not finite"
    ):
        save_checkpoint(saved, broken, ARM)
    assert {path.name: path.read_bytes() for path in saved.parent.iterdir()} == before


def test_the_checkpoint_of_another_robot_is_refused(saved: Path) -> None:
    slower = ARM.model_copy(update={"rate_hz": 20.0, "name": "slow_arm"})
    with pytest.raises(UserError) as error:
        load_checkpoint(saved, slower)
    told = str(error.value)
    assert all(part in told for part in (str(saved), "'so101'", "'slow_arm'", slower.schema_hash))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "not JSON"),
        ("no json", "not JSON"),
        ('{"version": ', "not JSON"),
        ("[]", "valid dictionary"),
        ("{}", "key 'version' is missing: add it"),
        ('{"version": 3}', "key 'version': Input should be a valid string"),
    ],
)
def test_a_card_that_is_none_is_refused(saved: Path, content: str, told: str) -> None:
    saved.with_suffix(".json").write_text(content)
    said = refusal(saved)
    assert f"{saved.with_suffix('.json')}: not a checkpoint card" in said and told in said


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (("parnet",), "a", "unknown key 'parnet': remove it"),
        (("settings", "latent"), "wide", "key 'settings.latent': Input should be a valid integer"),
        (("settings", "layrs"), 2, "unknown key 'settings.layrs'"),
        (("schema_hash",), None, "key 'schema_hash': Input should be a valid string"),
        (("lineage",), "none", "key 'lineage': Input should be a valid dictionary"),
        (("lineage", "last_loss"), float("nan"), "NaN where a number was expected"),
        (("lineage", "last_loss"), float("inf"), "Infinity where a number was expected"),
    ],
)
def test_a_wrong_key_of_a_card_is_named_with_what_was_expected(
    saved: Path, place: tuple[str, ...], value: object, told: str
) -> None:
    card = json.loads(saved.with_suffix(".json").read_text())
    inside = card
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    saved.with_suffix(".json").write_text(json.dumps(card))
    assert f"{saved.with_suffix('.json')}: not a checkpoint card: " in refusal(saved)
    assert told in refusal(saved)


def test_a_card_in_another_encoding_is_refused(saved: Path) -> None:
    path = saved.with_suffix(".json")
    path.write_bytes(path.read_bytes().replace(b"so101", b"so\xff01"))
    assert f"{path}: not a checkpoint card" in refusal(saved)


def test_weights_are_read_without_their_robot(saved: Path) -> None:
    state, card = load_weights(saved)
    assert content_hash(state) == card.version
    path = saved.with_suffix(".json")
    path.write_text(path.read_text().replace('"so101"', '"another"').replace(card.schema_hash, "0" * 16))
    assert load_weights(saved)[1].robot == "another"
    assert "made for robot 'another' with schema 0000" in refusal(saved)


def test_a_card_with_other_sizes_is_refused(saved: Path) -> None:
    card = load_card(saved)
    larger = card.model_copy(update={"settings": card.settings.model_copy(update={"linear_rank": 9})})
    saved.with_suffix(".json").write_text(larger.model_dump_json())
    assert f"{saved}: the weights do not fit this code" in refusal(saved)
    assert "weight 'dynamics." in refusal(saved) and " 9) was expected" in refusal(saved)


@pytest.mark.parametrize(("place", "told"), [("time_code", "is missing"), ("time_cod", "is not known")])
def test_weights_of_other_code_are_refused_by_name(saved: Path, place: str, told: str) -> None:
    state = dict(MODEL.state_dict())
    if place in state:
        del state[place]
    else:
        state[place] = torch.zeros(2)
    save_file(state, saved)
    card = json.loads(saved.with_suffix(".json").read_text())
    changed = {"version": content_hash(state), "code_version": "0.0.1"}
    saved.with_suffix(".json").write_text(json.dumps(card | changed))
    assert "made with version 0.0.1)" in refusal(saved)
    assert f"weight '{place}' {told}: pretrain again" in refusal(saved)


@pytest.mark.parametrize(
    "change", [{"latent": 17}, {"heads": 3}, {"latent": 0}, {"layers": -1}, {"heads": 0}]
)
def test_a_card_of_sizes_that_no_model_has_is_refused(saved: Path, change: dict[str, int]) -> None:
    card = json.loads(saved.with_suffix(".json").read_text())
    card["settings"] |= change
    saved.with_suffix(".json").write_text(json.dumps(card))
    assert str(saved.with_suffix("")) in refusal(saved)


def test_a_missing_half_is_told(saved: Path) -> None:
    saved.rename(saved.with_name("other.safetensors"))
    assert f"{saved}: no such file" in refusal(saved)
    saved.with_suffix(".json").unlink()
    assert f"{saved.with_suffix('.json')}: no such file; a checkpoint is" in refusal(saved)


def test_a_robot_without_a_shipped_checkpoint_is_told() -> None:
    with pytest.raises(UserError, match="no checkpoint comes with robot 'unheard_of': run adapt pretrain"):
        shipped_checkpoint(ARM.model_copy(update={"name": "unheard_of"}))
