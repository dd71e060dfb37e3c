"""Results: how good they are, what was expected, what has changed."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from jobs import DIRECT, SIDES, WAYS, Job, baseline

EXPECTED = Path(__file__).resolve().parent / "expected"
MISSING = ("MISSING", "MISSING")
# Best first; what is not named here is worse than all of it (WRONG CODE, UNCLEAN, FAILED and the like).
RANKS = {"OK": 0, "NON-STRICT": 1, "INFORMATIONAL": 2, "UNIMPLEMENTED": 2, "WRONG CODE": 3, "UNCLEAN": 3, "FAILED BY CLIENT": 3, "FAILED": 4}
RANK_WORST = 5
HEAD = "case"

Result = tuple[str, str]
# (way, side) -> case -> result
Table = dict[tuple[str, str], dict[str, Result]]


def rank(result: Result) -> tuple[int, int]:
    behaviour, closing = result
    return RANKS.get(behaviour, RANK_WORST), RANKS.get(closing, RANK_WORST)


def worse(result: Result, than: Result) -> bool:
    """Whether the behaviour or the behaviour when closing is worse."""
    return any(a > b for a, b in zip(rank(result), rank(than), strict=True))


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
                    table.setdefault((way, side), {})[case] = unspelled(cell)
    return table


def unspelled(cell: str) -> Result:
    behaviour, _, closing = cell.partition("/")
    named = {name.replace(" ", "-"): name for name in RANKS}
    return named.get(behaviour, behaviour), named.get(closing or behaviour, closing or behaviour)


def write(table: Table) -> None:
    """Checks results in, in place of what was there for the same way, side and case."""
    EXPECTED.mkdir(exist_ok=True)
    for side in SIDES:
        ways = [way for way in WAYS if (way, side) in table]
        cases = sorted({case for way in ways for case in table[way, side]}, key=by_number)
        if not cases:
            continue
        rows = [[HEAD, *ways]]
        rows += [[case, *(spelled(table[way, side][case]) if case in table[way, side] else "-" for way in ways)] for case in cases]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        head = f"# The suite as {side}: behaviour/behaviour when closing; OK is both. Written by conformance/run --bless."
        (EXPECTED / f"{side}.txt").write_text("\n".join([head, *lines]) + "\n")


def by_number(case: str) -> list[int]:
    return [int(part) for part in case.split(".")]


@dataclass
class Finding:
    """A line for whoever has to look."""

    case: str
    text: str


def compare(job: Job, table: Table, expected: Table) -> tuple[list[Finding], int]:
    """What differs from the expected results and what is worse than directly; how many cases are the latter.

    A way on which the proxy answers violations itself is held to the expected results, and to failing nothing.
    """
    findings, worse_count = [], 0
    known = expected.get((job.way, job.side), {})
    direct = table.get((baseline(job.way), job.side), {})
    for case in job.cases:
        result = job.results.get(case, MISSING)
        where = f"{job.way}, suite as {job.side}, case {case}"
        if case not in known:
            findings.append(Finding(case, f"{where}: {spelled(result)}, and nothing was expected"))
        elif result != known[case]:
            how = "worse than" if worse(result, known[case]) else "better than" if worse(known[case], result) else "other than"
            findings.append(Finding(case, f"{where}: {spelled(result)}, {how} the expected {spelled(known[case])}"))
        if job.way in DIRECT:
            continue
        straight = direct.get(case, MISSING)
        allowed = job.way.endswith("-close") and "FAILED" not in result and MISSING != result
        if worse(result, straight):
            worse_count += 1
            if not allowed:
                findings.append(Finding(case, f"{where}: {spelled(result)}, worse than directly: {spelled(straight)}"))
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
