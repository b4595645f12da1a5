"""Treatment of a network before its accuracy is measured: epochs of retraining in a format, method, rate and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError

if TYPE_CHECKING:
    from slipstick.compress.adapt_options import Retraining

TREATMENT = "treatment."  # of the paths of a space's axes
_READERS = {"retrain": int, "rate": float, "method": str, "seed": int}  # key of a space -> its values


@dataclass(frozen=True)
class Treatment:
    """Retraining of a network in its number format, as `slipstick adapt` does it; without epochs there is none."""

    retrain: int = 0
    rate: float | None = None
    method: str = "exact"
    seed: int = 0

    @classmethod
    def of(cls, point: Mapping[str, Any]) -> Treatment:
        """Return the treatment of a point of a space, from its values by path (``treatment.retrain``).

        Errors
        ------
        SlipstickError for keys that are none, and values that are no numbers.

        Examples
        --------
        >>> Treatment.of({"system": "swis-8x8", "treatment.retrain": "2", "treatment.seed": 1})
        Treatment(retrain=2, rate=None, method='exact', seed=1)
        """
        values: dict[str, Any] = {}
        for path, value in point.items():
            if not path.startswith(TREATMENT):
                continue
            reader = _READERS.get(name := path.removeprefix(TREATMENT))
            if reader is None:
                raise SlipstickError("no such treatment", path=path, value=value, allowed=list(_READERS))
            try:
                values[name] = reader(value)
            except (TypeError, ValueError):
                raise SlipstickError("not a number", path=path, value=value) from None
        return cls(**values) if values.get("retrain") else cls()  # without epochs nothing else matters

    @property
    def retraining(self) -> Retraining:
        """Options of `slipstick.adapt` that retrain so."""
        from slipstick.compress.adapt_options import Retraining

        return Retraining(epochs=self.retrain, rate=self.rate, method=self.method, seed=self.seed)  # type: ignore[arg-type]

    @property
    def words(self) -> str:
        """Options of the command `slipstick adapt` behind a format; empty for no retraining.

        Examples
        --------
        >>> Treatment(retrain=3, seed=1).words
        '--retrain 3 --seed 1'
        """
        plain = Treatment()
        changed = [field.name for field in fields(self) if vars(self)[field.name] != vars(plain)[field.name]]
        return " ".join(f"--{name} {vars(self)[name]}" for name in changed)

    def inputs(self) -> dict[str, Any]:
        """Return the treatment as a mapping, for files of finished runs."""
        return asdict(self)
