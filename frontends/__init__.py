"""Front ends: plug-in defenses that clean an image before a classifier sees it."""

from frontends.base import FrontEnd
from frontends.identity import Identity
from frontends.top_t import TopT

__all__ = ["FrontEnd", "Identity", "TopT"]
