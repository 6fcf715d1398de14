"""A ``shop.toml`` proposed for someone's own data, each guess with its reason."""

from promolab.sources.proposal.proposed import Proposal, propose, write_proposal

__all__ = ["Proposal", "propose", "write_proposal"]
