"""What promotions cost: discounts by past ones, what enters a break-even, who buys anyway."""
