"""The core's own behaviour as ordinary plugins: planner, threads, dataset schemes, guard, tools.

Each module is registered through the same path as a third party's and can be replaced by one.
"""
