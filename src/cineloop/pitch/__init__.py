"""What to make or license: comparables, audience and revenue forecasts, drivers, slate choice."""
