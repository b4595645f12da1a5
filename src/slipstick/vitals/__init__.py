"""Heart rate from face video and from series of estimates: signals, trackers, confidence. Not a medical device."""

from slipstick.core.lazy import lazy_names

_PUBLIC = {
    "FaceTraces": "face_traces",
    "PulseWindows": "pulse_windows",
    "read_traces": "face_traces",
    "RateSeries": "rate_series",
    "TrackedRates": "tracked_rates",
    "read_rates": "rate_series",
    "track_rates": "tracked_rates",
    "trackers": "tracker_settings",
    "window_rates": "pulse_windows",
}

__all__ = sorted(_PUBLIC)
__getattr__ = lazy_names(__name__, _PUBLIC)
