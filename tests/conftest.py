"""How Hypothesis works here: no deadlines, and no tracing of every line for the sake of a longer explanation."""

from hypothesis import Phase, settings

settings.register_profile("batchrun", deadline=None, phases=[phase for phase in Phase if phase is not Phase.explain])
settings.load_profile("batchrun")
