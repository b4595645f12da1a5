"""Optics: convolution by light in joint transform correlators, from the layers' shots to time, energy and area."""
