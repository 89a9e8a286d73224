"""What every test shares."""

from hypothesis import settings

# A machine under load, or a first compilation, is not a failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
