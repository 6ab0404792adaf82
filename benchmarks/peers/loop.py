"""The tutorial's script in a for loop, with params drawn at random."""

from common import fit, work
from space import drawn

if __name__ == "__main__":
    search = work()
    for number, params in enumerate(drawn(search.trials, search.seed)):
        fit(search, params, str(number), [])
