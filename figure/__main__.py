"""`python -m figure` lists the studies: what each shows, and how long it takes."""

import sys

if __name__ == "__main__":
    if not __package__:  # run as `python figure`: the project's modules are in the folder above
        sys.path[0] += "/.."
    # Ctrl-C while the modules below are imported.
    from datasets import ctrl_c
    ctrl_c.end_process()

from datasets import user_input
from figure.all import list_studies


@user_input.exit_status
def main(argv=None):
    user_input.ArgumentParser("List the studies: what each shows, and how long it takes.").parse_args(argv)
    for study in list_studies():
        print(f"python -m figure.{study.name}\n    {study.subject}\n    {study.time}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
