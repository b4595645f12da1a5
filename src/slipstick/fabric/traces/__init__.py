"""Files of other simulators: Chakra execution traces in and out, ASTRA-sim network and system files in."""
