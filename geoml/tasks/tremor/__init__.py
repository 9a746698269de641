"""Triggered tremor: does a seismogram of 1000 s hold tremor that a distant earthquake's surface waves triggered?"""

RATE_HZ = 20.0
LENGTH_S = 1000.0
SAMPLES = 20_000
