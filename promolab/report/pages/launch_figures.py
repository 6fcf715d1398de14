"""How forecasts held: of the promotions of earlier weeks, and of all that are over."""

from __future__ import annotations

from promolab.campaign.outlook import OutlookCoverage, TrackRecord
from promolab.display import Html, absent, join, link, picture, say

__all__ = ["coverage_block", "record_block"]


def record_block(record: TrackRecord) -> Html:
    """Return the last forecasts and what came, a row each, with how often they held.

    Parameters
    ----------
    record : TrackRecord
        Of `promolab.campaign.outlook.track_record`.
    """
    return join(
        [
            say(record.summary()),
            record.table() if len(record.rows) else Html(""),
            link("04_response.html", "All forecasts, and how good the ranking was"),
        ]
    )


def coverage_block(coverage: OutlookCoverage) -> Html:
    """Return how forecasts of responses did: a sentence, a figure and every past promotion."""
    if coverage.rows.empty or coverage.share.n == 0:
        return absent(coverage.summary())
    return join(
        [say(coverage.summary()), picture(coverage.plot(), coverage.summary()), coverage.table()]
    )
