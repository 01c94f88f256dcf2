"""What makes a verdict true: paired differences, error spending, racing, fronts and rankings.

Pure functions over arrays; nothing here knows a runner, a file or a plugin.
"""
