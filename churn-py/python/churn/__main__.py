"""``python -m churn`` is the command ``churn``."""

import sys

from churn._command import main

sys.exit(main())
