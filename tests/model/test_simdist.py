import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.cli import main
from adapt.errors import UserError
from adapt.model.checkpoint import load_checkpoint
from adapt.model.simdist import published_settings, read_arrays, world_model_from
from adapt.model.simdist_parity import max_relative_error
from adapt.robot.load import load_robot

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "data" / "simdist_go2"
GO2 = load_robot("go2")
needs_data = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason=f"{PUBLISHED}: the published model is not here"
)


@needs_data
def test_all_outputs_are_those_of_the_published_code(tmp_path, capsys):
    out, parity = tmp_path / "go2.safetensors", PUBLISHED / "parity_vectors.npz"
    with pytest.raises(SystemExit, match="0"):
        arguments = ["--out", str(out), "--parity", str(parity), "--json"]
        main(["import-simdist", str(PUBLISHED / "checkpoint"), *arguments])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    errors = told["max_relative_error"]
    assert set(errors) == {"latents", "rewards", "values", "actions"}
    assert all(error < 1e-4 for error in errors.values())
    model, card = load_checkpoint(out, GO2)
    assert card.version == told["version"] and "SimDist" in card.lineage["source"]
    assert max_relative_error(parity, model, GO2) == errors


@needs_data
def test_a_weight_that_is_not_the_published_one_is_seen(tmp_path):
    arrays, configuration = read_arrays(PUBLISHED / "checkpoint")
    settings = published_settings(configuration)
    for name, output in (
        ("value_dec.output_layer.bias", "values"),
        ("policy_dec.output_layer.bias", "actions"),
    ):
        altered = {**arrays, name: arrays[name] + np.float32(0.05)}
        errors = max_relative_error(
            PUBLISHED / "parity_vectors.npz", world_model_from(altered, settings, GO2), GO2
        )
        assert [key for key, error in errors.items() if error > 1e-4] == [output]


@needs_data
@torch.no_grad()
def test_numbers_keep_their_meaning_in_the_robot_files_units():
    arrays, configuration = read_arrays(PUBLISHED / "checkpoint")
    scaling = world_model_from(arrays, published_settings(configuration), GO2).scaling
    names = list(GO2.observation_names)
    standing = scaling.observation_mean[names.index("joint_position/FR_calf_joint")]
    assert -2.0 < float(standing) < -1.0
    assert float(scaling.action_mean[2]) == pytest.approx(float(standing), abs=0.5)
    assert float(scaling.observation_mean[names.index("projected_gravity/z")]) == pytest.approx(-1.0, abs=0.1)


@needs_data
def test_a_checkpoint_that_is_cut_off_is_refused(tmp_path):
    folder = tmp_path / "checkpoint"
    shutil.copytree(PUBLISHED / "checkpoint", folder)
    for part in (folder / "367004" / "default").glob("**/d/*"):
        part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    with pytest.raises(UserError, match=r"367004: not a whole Orbax checkpoint: .*: copy it again"):
        read_arrays(folder)


@needs_data
def test_arrays_that_are_missing_left_over_or_not_finite_are_named(tmp_path):
    arrays, configuration = read_arrays(PUBLISHED / "checkpoint")
    settings = published_settings(configuration)
    less = {name: each for name, each in arrays.items() if name != "encoder.type_enc"}
    with pytest.raises(UserError, match=r"has no array 'encoder\.type_enc'"):
        world_model_from(less, settings, GO2)
    with pytest.raises(UserError, match="arrays with no place here: image_encoder"):
        world_model_from({**arrays, "image_encoder": np.zeros(3, np.float32)}, settings, GO2)
    with pytest.raises(UserError, match=r"'time_code' has shape \(25, 64\), wanted is \(26, 64\)"):
        world_model_from(
            {**arrays, "encoder.temporal_enc": arrays["encoder.temporal_enc"][1:]}, settings, GO2
        )


def test_what_is_no_checkpoint_is_refused_with_the_cure(tmp_path):
    with pytest.raises(UserError, match=r"model_config\.yaml: no such file; give the folder of a published"):
        read_arrays(tmp_path)
    (tmp_path / "model_config.yaml").write_text("model: {latent_dim: 64}\n")
    with pytest.raises(UserError, match="no folder named by a training step"):
        read_arrays(tmp_path)
    (tmp_path / "100" / "default").mkdir(parents=True)
    with pytest.raises(UserError, match="100: not a whole Orbax checkpoint"):
        read_arrays(tmp_path)
    with pytest.raises(UserError, match="not a SimDist world model: 'dynamics' is missing"):
        published_settings({"model": {"latent_dim": 64}})
    with pytest.raises(UserError, match="robot 'so101': key 'rest' is missing"):
        world_model_from({}, None, load_robot("so101"))


def test_what_is_no_recording_is_refused(tmp_path):
    path = tmp_path / "parity.npz"
    with pytest.raises(UserError, match="no such file"):
        max_relative_error(path, None, GO2)
    for content in (b"", b"PK\x03\x04 cut off"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"parity\.npz: no recorded inputs and outputs"):
            max_relative_error(path, None, GO2)
    np.savez(path, x_fut_cmds=np.zeros(3))
    with pytest.raises(UserError, match="x_proprio_obs_hist"):
        max_relative_error(path, None, GO2)
