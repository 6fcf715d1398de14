"""``promolab score MODEL DATA --out FILE``."""

from __future__ import annotations

import argparse
from typing import Any

from promolab.cli.shared import DONE

__all__ = ["add_score"]


def add_score(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command that scores a file with a saved model."""
    score = commands.add_parser(
        "score",
        parents=[common],
        help="score a csv or parquet file with a saved response model",
        description="Score a csv, Excel or parquet file of any size with a model that .save wrote "
        "or that lies in a report's folder. Every row of the file gets one row in the output: its "
        "ids, and the chance of each outcome.",
    )
    score.add_argument("model", metavar="MODEL", help="a saved model, such as model.safetensors")
    score.add_argument("data", metavar="DATA", help="rows with the model's features, and ids")
    score.add_argument("--out", metavar="FILE", required=True, help="a .parquet or .csv file")
    score.add_argument(
        "--batch", type=int, default=100_000, metavar="ROWS", help="rows at a time (%(default)s)"
    )
    score.set_defaults(run=_score)


def _score(options: argparse.Namespace) -> int:
    from promolab.scoring import score_file

    done = score_file(options.model, options.data, options.out, batch=options.batch)
    print(done.summary(), flush=True)
    return DONE
