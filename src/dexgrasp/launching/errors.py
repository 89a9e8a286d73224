"""The fault of a launch file or of its arguments."""

from __future__ import annotations

from dexgrasp.errors import ConfigError


class LaunchError(ConfigError):
    """A launch file that is malformed, or says something that this reader does not know."""
