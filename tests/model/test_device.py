import pytest
import torch

from adapt.errors import UserError
from adapt.model.device import choose_device


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.skipif(torch.version.cuda is not None, reason="this torch was built with CUDA")
def test_cuda_with_a_cpu_build_is_refused_with_the_cure() -> None:
    with pytest.raises(UserError, match=r"key 'device'.*is a CPU build: install the CUDA build") as refusal:
        choose_device("cuda")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", ""])
def test_a_name_that_is_no_device_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="key 'device'"):
        choose_device(name)
