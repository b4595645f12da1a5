"""Drawings as SVG text: axes, curves, heat maps, timelines, in one style for light and dark."""
