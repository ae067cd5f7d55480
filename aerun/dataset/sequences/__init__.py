"""What data sets of recordings share."""
