"""The tutorial's script: one training, with the params of `space.SINGLE`."""

from common import fit, work
from space import SINGLE

if __name__ == "__main__":
    fit(work(), SINGLE, "0", [])
