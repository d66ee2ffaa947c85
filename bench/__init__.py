"""What `make bench` measures, on the machine at hand: see README.md beside this."""
