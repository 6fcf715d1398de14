"""How effects are learned: models of outcomes and of chances, and what is made of them."""
