def test_both_rates_and_their_ratio_are_told(adapt) -> None:
    result = adapt.json("bench", "data", "--workers", 1, "--robots", 2, "--seconds", 0.4)
    assert result["robot"] == "so101" and result["workers"] == 1
    assert result["rate_ratio"] == result["rate_generated"] / result["rate_raw"] > 0
