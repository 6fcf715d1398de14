from .proposed import propose, write_proposal

__all__ = ["propose", "write_proposal"]
