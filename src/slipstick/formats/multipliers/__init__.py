"""Multipliers of up to 8 by 8 bits as tables: their facts, errors and structure, and what multiplies by them fast."""
