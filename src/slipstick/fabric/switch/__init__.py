"""The FRED switch, Fred_m(P): a Clos network whose micro-switches reduce and copy data while they route."""
