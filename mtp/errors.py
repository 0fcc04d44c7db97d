"""The one kind of error a user is meant to read, and the exit codes of every command.

Standard library only, Python >= 3.6: the launcher on a login node uses it too.
"""
import errno
import sys

OK = 0
FAILED = 1  # the work was done and found problems, or could not be finished
USAGE = 2  # what was asked for cannot be done as asked
NOT_YET = 3  # a verb whose room is not built
CONTINUE = 75  # EX_TEMPFAIL: stopped in good order, start the same command again to continue

# What a disk says that takes no more: no fault of the program, whatever it was writing.
NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class MTPError(Exception):
    """What happened, the value seen, and the next thing to type.

    Args:
        message: one or two sentences: what, where, the value seen.
        hint: the next command to type, or what to change. Printed on a line of its own.
        code: exit code of the command that ends with this error.
    """

    def __init__(self, message, hint='', code=USAGE):
        super(MTPError, self).__init__(message)
        self.hint = hint
        self.code = code

    def __str__(self):
        message = super(MTPError, self).__str__()
        return message + ('\n  next: ' + self.hint if self.hint else '')


def run_main(main):
    """Call ``main()`` and exit: its return value, or the code of an :class:`MTPError` with its text on stderr.

    Any other exception keeps its traceback: it is a defect of ours, not of the user's input.
    """
    try:
        sys.exit(main() or OK)
    except MTPError as error:
        sys.stderr.write('error: {}\n'.format(error))
        sys.exit(error.code)
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        if error.errno not in NO_PLACE:
            raise
        sys.stderr.write('error: cannot write{}: {}\n  next: make room or choose another folder, then start the same '
                         'command again\n'.format(' ' + str(error.filename) if error.filename else '', error.strerror))
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.stderr.write('\ninterrupted; start the same command again to continue\n')
        sys.exit(130)
