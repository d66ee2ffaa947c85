"""What the made-up APIs of all sources share. The pipeline itself knows nothing of them.

A source's own module `fake` says what its API answers (see `fakes.Fake`); this package serves the
answers on loopback, fails on demand, and runs commands against them.
"""
