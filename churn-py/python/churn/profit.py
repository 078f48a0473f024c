"""What contacting customers is worth, and whom to contact.

A contacted churner stays with probability ``success_rate`` and is then worth ``clv`` less the incentive; whoever would
have stayed anyway takes the incentive too; each contact has a cost. Money is in one currency, whichever it is.

Where a table has the costs of each customer, ``savings`` is the share of the cost that deciding by a model saves.
"""

from churn._churn import (
    ContactList,
    campaign_outcome,
    contact_list,
    cost_thresholds,
    curve,
    empc,
    expected_curve,
    mpc,
    savings,
)

__all__ = [
    "ContactList",
    "campaign_outcome",
    "contact_list",
    "cost_thresholds",
    "curve",
    "empc",
    "expected_curve",
    "mpc",
    "savings",
]
