"""For all tests: Ctrl-C, a hang-up and SIGTERM reach what they start, also behind a script.

A shell without job control lets its background jobs ignore SIGINT, `nohup` lets them ignore SIGHUP,
some supervisors leave signals ignored or blocked, and every process inherits what is.
"""

import signal

USUAL = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGCHLD: signal.SIG_DFL,  # ignored, no child's exit code can be had
}
for number, usual in USUAL.items():
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)
signal.pthread_sigmask(signal.SIG_UNBLOCK, USUAL)
