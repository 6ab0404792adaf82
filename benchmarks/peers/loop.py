"""The tutorial's script in a for loop, with params drawn at random."""

from common import fit, work

if __name__ == "__main__":
    search = work()
    for number, params in enumerate(search.drawn()):
        fit(search, params, str(number), [])
