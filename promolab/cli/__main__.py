"""``python -m promolab.cli``."""

import sys

from promolab.cli import main

sys.exit(main())
