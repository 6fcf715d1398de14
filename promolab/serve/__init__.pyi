from .live import LiveFeatures
from .running import TOKEN as TOKEN
from .running import serve_week
from .running import share_week as share_week

__all__ = ["LiveFeatures", "serve_week"]
