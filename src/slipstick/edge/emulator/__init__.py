"""Compiled C on an emulated microcontroller: toolchain, images, execution, exact instruction counts."""

from slipstick.edge.emulator.image import Image
from slipstick.edge.emulator.machine import Machine
from slipstick.edge.emulator.profile import Profile
from slipstick.edge.emulator.toolchain import CORES, Build, Core, build_image

__all__ = ["CORES", "Build", "Core", "Image", "Machine", "Profile", "build_image"]
