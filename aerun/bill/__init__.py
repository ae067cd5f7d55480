"""The bill: what a run will cost in time, memory and disk, from a few measured steps, told before it trains."""
