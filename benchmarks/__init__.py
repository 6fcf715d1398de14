"""Quality, time and memory at full size, each with its bar: what ``make bench`` measures."""
