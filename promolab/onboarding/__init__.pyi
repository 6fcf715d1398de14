from .proposed import Proposal, propose, write_proposal

__all__ = ["Proposal", "propose", "write_proposal"]
