"""What contacting customers is worth, and whom to contact.

A contacted churner stays with probability ``success_rate`` and is then worth ``clv`` less the incentive; whoever would
have stayed anyway takes the incentive too; each contact has a cost. Money is in one currency, whichever it is.
"""

from churn._churn import ContactList, campaign_outcome, contact_list, curve, empc, expected_curve, mpc

__all__ = ["ContactList", "campaign_outcome", "contact_list", "curve", "empc", "expected_curve", "mpc"]
