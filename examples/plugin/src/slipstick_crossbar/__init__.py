"""An analogue crossbar for slipstick: a kind of device, its engine, a system, an arithmetic."""
