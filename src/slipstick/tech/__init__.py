"""Technology: how logic, DRAM and networks scale from one generation to the next."""
