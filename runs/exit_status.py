"""What the program tells the shell when it ends."""

COMPLETE = 0
INCOMPLETE = 1  # some tasks failed; the others are analysed
REFUSED = 2  # something the user can mend
INTERRUPTED = 130  # 128 + SIGINT, as shells count it
