"""Heart rate from face video and from series of estimates: a tracker of rates over time. Not a medical device."""

from slipstick.core.lazy import lazy_names

_PUBLIC = {
    "RateSeries": "rate_series",
    "TrackedRates": "tracked_rates",
    "read_rates": "rate_series",
    "track_rates": "tracked_rates",
    "trackers": "tracker_settings",
}

__all__ = sorted(_PUBLIC)
__getattr__ = lazy_names(__name__, _PUBLIC)
