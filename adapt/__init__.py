"""A sim-to-real adaptation agent: plan with a latent world model, correct it while the robot runs."""

from importlib.metadata import version

__version__ = version("adapt")
