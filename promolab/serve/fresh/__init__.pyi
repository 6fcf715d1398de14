from .live import LiveFeatures

__all__ = ["LiveFeatures"]
