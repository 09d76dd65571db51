"""Who should see which title, in which row, and why."""
