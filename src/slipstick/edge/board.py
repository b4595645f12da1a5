"""Board: a microcontroller with its memories and sensors, the kind of device that runs a network as firmware."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.device import Device, Surroundings, register_device
from slipstick.core.spec import Spec


class Sensor(Spec):
    """Sensor on a board, or wired to it: what it captures, how long that takes, and what it costs."""

    kind: Literal["camera", "microphone", "imu", "fingerprint", "environment"] = Field(
        description="Kind of sensor: camera, microphone, imu, fingerprint, environment"
    )
    part: str = Field(default="", description="Part number of the sensor")
    capture: units.Seconds | None = Field(
        default=None, description="Time of one capture: a frame, a fingerprint; unknown: not stated by the vendor"
    )
    width: int | None = Field(default=None, gt=0, description="Pixels of a row at full resolution")
    height: int | None = Field(default=None, gt=0, description="Rows of a frame at full resolution")
    power: units.Watts | None = Field(default=None, description="Power while it captures")
    price: units.Dollars | None = Field(default=None, description="Price of the sensor, where it is bought separately")
    pins: int | None = Field(default=None, gt=0, description="Pins of the board that it occupies")


class _SensorPart(Entry):
    """Sensor of the table of data/sensors.yaml, to be wired to a board."""

    sensor: Sensor = Field(description="The sensor, as `device.sensors` of a board takes it")


sensor_parts: Catalogue[_SensorPart] = Catalogue(_SensorPart, "sensors.yaml", noun="sensor")


@register_device
class Board(Device):
    """A board with a microcontroller: its core, the memories that hold tensors and code, its sensors and pins.

    The memories are the system's: `flash` holds code and weights, those named in `arena` hold tensors, the fastest
    first. `System.power` is that of a busy core with the radio off, `System.idle_power` that of sleep with memory kept.

    Examples
    --------
    >>> Board(core="cortex-m4", clock="64 MHz", arena=("sram",)).clock
    64000000.0
    """

    kind: Literal["board"] = Field(default="board", description="Kind of device: board")
    core: str = Field(description="Core, a name in data/cores (slipstick list cores)")
    cores: int = Field(default=1, gt=0, description="Number of cores; a network runs on one of them")
    clock: units.Hertz = Field(description="Clock of the core")
    arena: tuple[str, ...] = Field(
        default=("sram",), min_length=1, description="Memories that may hold tensors, by name, the fastest first"
    )
    arena_limit: units.Bytes | None = Field(
        default=None,
        description="Largest block of the fastest memory that firmware gets in one piece; unknown: all of it",
    )
    reserved: units.Bytes | None = Field(
        default=None, description="Bytes of the fastest memory that stack, data and drivers take; unknown: none counted"
    )
    cache: units.Bytes | None = Field(
        default=None,
        description="Cache before a flash outside of the chip; unknown: flash on the chip, whose waits are calibrated",
    )
    kernels: str = Field(
        default="slipstick", description="Library of its firmware's kernels, a name in data/instructions"
    )
    states: dict[str, units.Watts] = Field(
        default_factory=dict, description="Power of further states, such as deep-sleep or radio"
    )
    supply: units.Volts | None = Field(default=None, description="Voltage of the supply")
    pins: int | None = Field(default=None, gt=0, description="Pins for sensors and actuators")
    battery: units.Joules | None = Field(default=None, description="Energy of its battery, such as 7.5 Wh")
    period: units.PositiveSeconds | None = Field(
        default=None, description="Time from one inference to the next, asleep between; unknown: no duty cycle"
    )
    sense: tuple[str, ...] = Field(default=(), description="Sensors that capture before each inference, by name")
    sensors: dict[str, Sensor] = Field(default_factory=dict, description="Sensors on the board, by name")

    def check(self, system: Surroundings) -> Iterator[str]:
        """Yield an error message per memory that is missing: the flash, and those that may hold tensors."""
        absent = [name for name in ("flash", *self.arena) if name not in system.memory]
        if absent:
            yield f"a board needs the memories flash and {', '.join(self.arena)}: {', '.join(absent)} missing"
        unknown = [name for name in self.sense if name not in self.sensors]
        if unknown:
            yield f"device.sense names sensors that the board has not: {', '.join(unknown)}"

    def capture(self) -> tuple[float, float]:
        """Return the time [s] and the energy [J] of the sensors' captures before an inference, one after the other."""
        sensors = [self.sensors[name] for name in self.sense]
        times = [sensor.capture or 0.0 for sensor in sensors]
        joules = [time * (sensor.power or 0.0) for time, sensor in zip(times, sensors, strict=True)]
        return sum(times), sum(joules)
