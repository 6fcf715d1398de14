"""What several comparisons do to p values: the names, for plans and readouts alike."""

from __future__ import annotations

HOLM, FDR, ALONE = "holm", "benjamini-hochberg", "none"
CORRECTIONS = (HOLM, FDR, ALONE)
