from .live import LiveFeatures
from .running import serve_week

__all__ = ["LiveFeatures", "serve_week"]
