import pytest
import torch
from small_arm import pretrained_model, two_joint_arm

from adapt.model.world_model import WorldModel


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pretrained(one_thread: None) -> WorldModel:
    return pretrained_model(two_joint_arm())
