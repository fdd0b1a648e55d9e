"""Thin ROS 2 nodes around `adapt`, one file each, and the table from which they are started."""

import os
import sys

from adapt.errors import UserError
from ros_nodes.environment import avoid_shared_memory, refuse_mixed_installations

# Here and not in a main function: where two installations are mixed, `import rclpy` itself may crash.
try:
    refuse_mixed_installations(os.environ)
except UserError as error:
    sys.stderr.write(f"{error}\n")
    raise SystemExit(2) from error
avoid_shared_memory(os.environ)
