"""The measured process: prepares, then times what it was asked for, and prints it as JSON."""

import importlib
import json
import resource
import sys
import time


def cpu_seconds() -> float:
    """Of this process and its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """`python -m bench.child MODULE FUNCTION ARGUMENTS`: the function gives the work to time."""
    module, function, *arguments = sys.argv[1:]
    work = getattr(importlib.import_module(module), function)(*arguments)
    wall, cpu = time.perf_counter(), cpu_seconds()
    told = work() or {}
    spent = {"t": time.perf_counter() - wall, "cpu": cpu_seconds() - cpu}
    print(json.dumps(spent | told))


if __name__ == "__main__":
    main()
