"""Features by this library, from Python."""

import churn


def plan(behavioral, path, last_day):
    return lambda: churn.features(path, last_day, "behavioral" if behavioral else "rfm")
