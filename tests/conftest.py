"""What all tests share."""

import torch
from hypothesis import settings

# A loaded machine must not fail a property; the same examples each time make a failure come again.
settings.register_profile("steady", deadline=None, derandomize=True, print_blob=False)
settings.load_profile("steady")

# Two cores are shared by several processes; more threads only wait for each other.
torch.set_num_threads(1)
