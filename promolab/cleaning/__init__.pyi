from .quarantine import FLAGS, QUARANTINE_RULES, clean, known_by

__all__ = ["FLAGS", "QUARANTINE_RULES", "clean", "known_by"]
