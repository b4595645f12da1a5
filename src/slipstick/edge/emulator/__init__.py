"""Compiled C on an emulated microcontroller: toolchain, images, execution, exact instruction counts."""

from slipstick.edge.emulator.machine import Machine
from slipstick.edge.emulator.profile import Profile
from slipstick.edge.emulator.toolchain import CORES, Build, Core, Image, build_image

__all__ = ["CORES", "Build", "Core", "Image", "Machine", "Profile", "build_image"]
