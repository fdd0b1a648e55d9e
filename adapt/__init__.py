"""A sim-to-real adaptation agent: plan with a latent world model, correct it while the robot runs."""

__version__ = "0.1.0"
