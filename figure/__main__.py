"""`python -m figure` lists the studies: what each shows, and how long it takes."""

from figure.all import print_studies

if __name__ == "__main__":
    print_studies()
