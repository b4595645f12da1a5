"""Device: what computes in a System. The abstract class, and the registry of its kinds, selected by `kind:`.

A new kind of hardware is one class in a folder of its own; nothing here changes:

    @register_device
    class Crossbar(Device):
        kind: Literal["crossbar"] = "crossbar"
        rows: int = Field(gt=0, description="Word lines of one crossbar")

A package of its own names the class in its pyproject.toml instead, and needs no import:

    [project.entry-points."slipstick.devices"]
    crossbar = "my_package.crossbar:Crossbar"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any, ClassVar, Protocol, TypeVar

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, SerializeAsAny, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from slipstick.core.errors import SlipstickError
from slipstick.core.explain import NESTED
from slipstick.core.plugins import Plugin, check_plugins, working
from slipstick.core.spec import Spec

_GROUP = "slipstick.devices"  # of entry points
# modules of own kinds outside of core, imported when a kind is looked up there
_DOMAINS = (
    "slipstick.edge.board",
    "slipstick.array.dot_product_array",
    "slipstick.array.mixed_arrays",
    "slipstick.optics.correlator_device",
    "slipstick.optics.photonic_array",
    "slipstick.optics.fourier_processor",
)


class Surroundings(Protocol):
    """Parts of a System that `Device.check` reads: its memories by name."""

    @property
    def memory(self) -> Mapping[str, object]:
        """Memories of one device by name."""

    @property
    def main_memory_name(self) -> str:
        """Name of the largest memory."""


class Device(Spec):
    """Abstract computing device of a System; a concrete kind declares one literal value as the default of `kind`.

    When a system is loaded, `kind` is looked up among the registered kinds, the fields are validated by that class, and
    `check` is asked once, after everything else of the system is known.
    """

    stated: ClassVar[bool] = True  # whether its system states figures, at least a memory

    kind: str = Field(description="Kind of device, which says what other fields there are: accelerator, array, ...")

    def check(self, system: Surroundings) -> Iterator[str]:
        """Yield an error message per part that this kind of device needs and its system lacks; none by default."""
        yield from ()

    def rate_of(self, number_format: str) -> float | None:
        """Return the dense rate [operations/s] of matrix products in a number format, None where there is none."""
        return None


D = TypeVar("D", bound=Device)

_KINDS: dict[str, type[Device]] = {}


def register_device(device: type[D]) -> type[D]:
    """Register a kind of device under the default of its field `kind`; usable as a class decorator.

    Errors
    ------
    SlipstickError for a class without such a default, or a kind that another class has.
    """
    kind = _kind_of(device)
    if _KINDS.setdefault(kind, device) is not device:
        raise SlipstickError("a kind of device that is registered already", path="device.kind", value=kind)
    return device


def device_kinds() -> dict[str, type[Device]]:
    """Return every registered kind of device by name, those of installed packages included.

    Examples
    --------
    >>> import slipstick.core.device_kinds  # registers the own kinds
    >>> sorted(device_kinds())[:2]
    ['accelerator', 'array']
    """
    for module in _DOMAINS:
        import_module(module)
    installed = {_kind_of(device): device for _, device in working(_GROUP, _plugged)}
    return {**installed, **_KINDS}


def _kind_of(device: type[Device]) -> str:
    kind = device.model_fields["kind"].default
    if not isinstance(kind, str):
        raise SlipstickError('a device class needs its kind as default, such as `kind: Literal["toy"] = "toy"`',
                             value=device.__name__)  # fmt: skip
    return kind


def _plugged(plugin: Plugin) -> type[Device]:
    """Return the class of devices that the entry point of a plug-in names."""
    device = plugin.value
    if not (isinstance(device, type) and issubclass(device, Device)):
        raise plugin.error("loads to no kind of device", "a subclass of slipstick.core.device.Device")
    if _KINDS.get(_kind_of(device), device) is not device:
        raise plugin.error(f"brings the kind {_kind_of(device)!r}, which is registered already", "another kind")
    return device


def _of_its_kind(data: object) -> object:
    """Return the device that a mapping describes, validated by the class registered for its `kind`."""
    if not isinstance(data, Mapping):
        return data  # a Device, or something that pydantic refuses
    kind = data.get("kind")
    device = _KINDS.get(kind) if isinstance(kind, str) else None
    device = device or device_kinds().get(str(kind))
    if device is None:
        raise _no_such_kind(kind)
    try:
        return device.model_validate(dict(data))
    except ValidationError as error:
        raise _nested(device, error.errors(include_url=False), str(error)) from None


def _no_such_kind(kind: object) -> PydanticCustomError:
    check_plugins(_GROUP, _plugged)  # one that does not load might have brought the kind
    message = "is missing" if kind is None else "no such kind of device"
    error = SlipstickError(message, path="kind", value=kind, allowed=device_kinds())
    return _nested(None, [error], str(error))


def _nested(device: type[Device] | None, errors: Sequence[Any], message: str) -> PydanticCustomError:
    """Return the error of a device in the form that `explain` reads, from pydantic's errors or from our own."""
    return PydanticCustomError(NESTED, "{message}", {"kind": device, "errors": errors, "message": message})


class _UnionSchema:
    """JSON schema of a device: the union of all registered kinds, discriminated by ``kind``."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the union of the schemas of all kinds, those of installed packages included."""
        members = [
            handler.resolve_ref_schema(handler(device.__pydantic_core_schema__)) for device in device_kinds().values()
        ]
        return {"oneOf": members, "discriminator": {"propertyName": "kind"}}


AnyDevice = Annotated[SerializeAsAny[Device], BeforeValidator(_of_its_kind), _UnionSchema()]
