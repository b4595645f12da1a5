"""Files of other simulators: Chakra execution traces (read and written), ASTRA-sim inputs (read)."""
