"""Planning a week, what it will bring and cost, and what promotions brought."""
