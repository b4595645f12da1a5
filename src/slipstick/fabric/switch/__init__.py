"""The FRED switch: Fred_m(P), a Clos network whose micro-switches add and copy while they route."""
