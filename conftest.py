"""For all tests: Ctrl-C and a hang-up reach what they start, also in the background of a script.

A shell without job control lets its background jobs ignore SIGINT, `nohup` lets them ignore SIGHUP, and
every process inherits what is ignored.
"""

import signal

for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)
