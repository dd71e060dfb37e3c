"""Results: how good they are, what was expected, what has changed."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from jobs import DIRECT, SIDES, WAYS, Job

EXPECTED = Path(__file__).resolve().parent / "expected"
MISSING = ("MISSING", "MISSING")
# Best first; what is not named here is worse than all of it (WRONG CODE, UNCLEAN, FAILED and the like).
RANKS = {"OK": 0, "NON-STRICT": 1, "INFORMATIONAL": 2, "UNIMPLEMENTED": 2, "WRONG CODE": 3, "UNCLEAN": 3, "FAILED BY CLIENT": 3, "FAILED": 4}
RANK_WORST = 5
HEAD = "case"

# Where the proxy answers violations itself: the suite sends a message and then a violation, octet by octet, and whether the
# echo of the one or the Close for the other is back first is up to the machine. These cases have two expected results.
RACES = {"3.4", "4.1.5", "4.2.5"}
RACE_RESULTS = [("OK", "OK"), ("NON-STRICT", "OK")]

Result = tuple[str, str]
# (way, side) -> case -> the result, or the results, that are as expected
Table = dict[tuple[str, str], dict[str, list[Result]]]


def rank(result: Result) -> tuple[int, int]:
    behaviour, closing = result
    return RANKS.get(behaviour, RANK_WORST), RANKS.get(closing, RANK_WORST)


def worse(result: Result, than: Result) -> bool:
    """Whether the behaviour or the behaviour when closing is worse."""
    return any(a > b for a, b in zip(rank(result), rank(than), strict=True))


def wrong(way: str, result: Result, straight: Result) -> bool:
    """Whether a result must not be, beside the direct one. A proxy that answers violations itself may be less strict."""
    return worse(result, straight) and (not way.endswith("-close") or max(rank(result)) > RANKS["INFORMATIONAL"])


def spelled(result: Result) -> str:
    """`OK` for `OK/OK`, which nearly all are."""
    behaviour, closing = (word.replace(" ", "-") for word in result)
    return behaviour if behaviour == closing == "OK" else f"{behaviour}/{closing}"


def read() -> Table:
    """The results that are checked in."""
    table: Table = {}
    for side in SIDES:
        path = EXPECTED / f"{side}.txt"
        if not path.exists():
            continue
        rows = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
        for case, *cells in rows[1:]:
            for way, cell in zip(rows[0][1:], cells, strict=True):
                if cell != "-":
                    table.setdefault((way, side), {})[case] = [unspelled(each) for each in cell.split("|")]
    return table


def unspelled(cell: str) -> Result:
    behaviour, _, closing = cell.partition("/")
    named = {name.replace(" ", "-"): name for name in RANKS}
    return named.get(behaviour, behaviour), named.get(closing or behaviour, closing or behaviour)


def bless(job: Job, direct: Job | None, table: Table) -> None:
    """Makes the results of a job the expected ones. In place of what must not be, it expects the direct result."""
    known = table.setdefault((job.way, job.side), {})
    for case in job.cases:
        result = job.results.get(case, MISSING)
        if direct and wrong(job.way, result, direct.results.get(case, MISSING)):
            result = direct.results.get(case, MISSING)
        race = job.way.endswith("-close") and case in RACES and result in RACE_RESULTS
        known[case] = RACE_RESULTS if race else [result]


def write(table: Table) -> None:
    """Writes the expected results, a file for each side: a row is a case, a column a way."""
    EXPECTED.mkdir(exist_ok=True)
    for side in SIDES:
        ways = [way for way in WAYS if (way, side) in table]
        cases = sorted({case for way in ways for case in table[way, side]}, key=by_number)
        if not cases:
            continue
        rows = [[HEAD, *ways]]
        rows += [[case, *("|".join(map(spelled, table[way, side].get(case, []))) or "-" for way in ways)] for case in cases]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        head = f"# The suite as {side}: behaviour/behaviour when closing; OK is both. Written by conformance/run --bless."
        (EXPECTED / f"{side}.txt").write_text("\n".join([head, *lines]) + "\n")


def by_number(case: str) -> list[int]:
    return [int(part) for part in case.split(".")]


@dataclass
class Finding:
    """A line for whoever has to look."""

    cases: list[str]
    text: str


def compare(job: Job, direct: Job | None, expected: Table) -> tuple[list[Finding], int]:
    """What differs from the expected results and what is worse than directly; how many cases are the latter.

    A way on which the proxy answers violations itself is held to the expected results, and to failing nothing.
    """
    findings, worse_count = [], 0
    known = expected.get((job.way, job.side), {})
    unknown = [case for case in job.cases if case not in known]
    if unknown:
        text = f"{job.way}, suite as {job.side}: nothing is expected of {len(unknown)} cases from {unknown[0]} to {unknown[-1]}"
        findings.append(Finding(unknown, f"{text}; see --bless"))
    for case in job.cases:
        result = job.results.get(case, MISSING)
        where = f"{job.way}, suite as {job.side}, case {case}"
        if case in known and result not in known[case]:
            best = known[case][0]
            how = "worse than" if worse(result, best) else "better than" if worse(best, result) else "other than"
            findings.append(Finding([case], f"{where}: {spelled(result)}, {how} the expected {spelled(best)}"))
        if direct is None:
            continue
        straight = direct.results.get(case, MISSING)
        if worse(result, straight):
            worse_count += 1
            if wrong(job.way, result, straight):
                findings.append(Finding([case], f"{where}: {spelled(result)}, worse than directly: {spelled(straight)}"))
    return findings, worse_count


def summary(job: Job, worse_count: int) -> list[str]:
    """A row of the closing table."""
    behaviours = Counter(job.results.get(case, MISSING)[0] for case in job.cases)
    columns = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED")
    counts = [behaviours.pop(name, 0) for name in columns]
    failed = sum(behaviours.values())
    seen = "-" if job.way in DIRECT else str(worse_count)
    return [job.way, job.side, str(len(job.cases)), *map(str, counts), str(failed), seen, f"{job.seconds:.0f} s"]


SUMMARY_HEAD = ["way", "suite as", "cases", "OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "failed", "worse", "time"]
