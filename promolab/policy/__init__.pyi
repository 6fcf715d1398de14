from .rows import PolicyRows as PolicyRows

__all__: list[str] = []
