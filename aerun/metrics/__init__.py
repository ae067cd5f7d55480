"""Arrays in, numbers out: measures that know no model."""
