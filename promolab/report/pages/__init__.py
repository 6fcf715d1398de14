"""The pages of a weekly report: what each says and shows."""
