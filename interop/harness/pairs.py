"""Fewer combinations than all, with every pair of values in one of them."""

import itertools
import random
from collections.abc import Callable

Combination = dict[str, object]


def everything(factors: dict[str, list], allowed: Callable[[Combination], bool]) -> list[Combination]:
    """All that is allowed."""
    made = (dict(zip(factors, values, strict=True)) for values in itertools.product(*factors.values()))
    return [combination for combination in made if allowed(combination)]


def covering(combinations: list[Combination], but: set[frozenset[str]]) -> list[Combination]:
    """Some of them, such that each pair of values that is in one of all is in one of these, and the same ones each time.

    `but`: factors that do not meet, whose pairs need not be covered.
    """

    def pairs(combination: Combination) -> set:
        chosen = itertools.combinations(combination.items(), 2)
        return {(one, other) for one, other in chosen if {one[0], other[0]} not in but}

    left = [(combination, pairs(combination)) for combination in combinations]
    # Of those that cover as much, any; not those that differ from the one before in the last factor alone.
    random.Random(7692).shuffle(left)
    missing = set().union(*(covered for _, covered in left))
    chosen = []
    while missing:
        combination, covered = max(left, key=lambda entry: len(entry[1] & missing))
        chosen.append(combination)
        missing -= covered
    return chosen
