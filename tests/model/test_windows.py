import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapt.model.windows import Windows, cut_windows


@given(st.integers(0, 30), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_each_window_is_an_unbroken_piece(length: int, history: int, horizon: int, stride: int) -> None:
    numbers = np.arange(length, dtype=np.float64)[:, None]
    windows = cut_windows(numbers, numbers + 100, numbers + 200, history, horizon, stride)
    size = history + 1 + horizon
    assert len(windows) == len(range(0, max(0, length - size + 1), stride))
    assert windows.observation.dtype == torch.float32
    for number in range(len(windows)):
        expected = torch.arange(number * stride, number * stride + size).float()
        assert torch.equal(windows.observation[number, :, 0], expected)
        assert torch.equal(windows.action[number, :, 0], expected[:-1] + 100)
        assert torch.equal(windows.command[number, :, 0], expected + 200)


@pytest.mark.parametrize("index", [slice(1, 3), torch.tensor([1, 2])])
def test_selected_and_joined_windows_keep_their_order(index: slice | torch.Tensor) -> None:
    numbers = np.arange(12.0)[:, None]
    windows = cut_windows(numbers, numbers, numbers, 2, 2)
    joined = Windows.join([windows.select(index), windows.select(slice(0, 1))])
    assert joined.observation[:, 0, 0].tolist() == [1.0, 2.0, 0.0]
