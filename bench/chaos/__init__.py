"""One fault after the other while everybody talks: `python -m bench.chaos`."""
