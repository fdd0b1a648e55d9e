def test_the_command_gives_the_figures_that_the_gate_is_held_to(adapt):
    result = adapt.json("bench", "gate", "--runs", 20, "--candidates", 2)
    assert {"runs", "false_admissions", "admitted_within_40", "median_segments"} <= result.keys()
    assert result["runs"] == 20 and result["better"]["admitted"] > result["no_difference"]["admitted"]
