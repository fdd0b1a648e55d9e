from pathlib import Path

import numpy as np

from adapt.bags.reader import bag_info


def test_info_tells_topics_and_counts(adapt, bag):
    found = adapt.json("bags", "info", bag)
    assert {topic["name"]: topic["messages"] for topic in found["topics"]} == {
        "/joint_states": 3000,
        "/joint_commands": 3000,
    }


def test_logs_become_bags_once(adapt, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    stamps = np.arange(100) * 20_000
    values = np.zeros((100, 6))
    np.savez(logs / "rest.npz", t_us_state=stamps, t_us_ctrl=stamps, q=values, v=values, u=values)
    found = adapt.json("bags", "import", logs, "--out", tmp_path / "bags")
    assert [bag_info(tmp_path / "bags" / "rest").messages] == [200]
    assert found["bags"] == [str(tmp_path / "bags" / "rest")]
    code, _, error = adapt("bags", "import", logs, "--out", tmp_path / "bags")
    assert code == 2 and "rest" in error


def test_tables_become_bags(adapt, tmp_path):
    names = ("time", "pos_meas1", "pos_meas2", "vel_meas1", "vel_meas2", "tau_meas1", "tau_meas2")
    values = np.arange(700).reshape(100, 7) * 0.001
    np.savetxt(tmp_path / "swing.csv", values, delimiter=",", header=",".join(names), comments="")
    where = (tmp_path, "--out", tmp_path / "bags", "--robot", "double_pendulum")
    found = adapt.json("bags", "import", *where)
    assert [bag_info(Path(bag)).messages for bag in found["bags"]] == [200]
    refused = adapt.refused("bags", "import", tmp_path, "--out", tmp_path / "bags", "--robot", "so101")
    assert "configs/logs/so101.yaml: no such file; there are: double_pendulum" in refused


def test_a_cut_off_recording_is_recovered(adapt, bag, tmp_path):
    whole = next(bag.glob("*.mcap")).read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    found = adapt.json("bags", "recover", cut)
    assert 0 < sum(found["messages"].values()) < 6000
    assert bag_info(tmp_path / "cut_recovered").messages == sum(found["messages"].values())
