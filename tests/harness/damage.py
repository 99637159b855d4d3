"""A damaged checkpoint: the next command refuses it and says what to do, or goes on with all that was recorded.

No row is submitted twice, no result is lost, and none is another than it was: except for what is within the text of an
output, which cannot be noticed (docs/crashes.md).
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random

from batchrun.adapters.checkpoint.creation import PAGE_SIZE
from batchrun.domain.filenames import CHECKPOINT, PROGRESS
from tests.harness.figures import Chunk, Figure
from tests.support.damaged_jobs import DamagedJob, job_to_damage

LOG = f"{CHECKPOINT}-wal"
LOG_HEADER, FRAME_HEADER, FRAME = 32, 24, 24 + PAGE_SIZE
BYTES = 100_000
"""More flipped bytes are not drawn."""

Damage = tuple[str, Callable[[Path], None]]
"""What is damaged, and how."""


def chunks(full: bool) -> Sequence[Chunk]:
    """(which job, what is damaged, first, step, most)."""
    kinds, parts = ("killed", "ended", "large"), ("pages", "headers", "cut", "files")
    if full:
        every = [(kind, what, start, 4, BYTES) for kind in kinds for what in parts for start in range(4)]
        return [*every, *((kind, "bytes", start, 4, 750) for kind in kinds for start in range(4))]
    return [
        ("killed", "files", 0, 1, BYTES),
        ("killed", "pages", 0, 17, BYTES),
        ("killed", "headers", 0, 149, BYTES),
        ("killed", "cut", 0, 97, BYTES),
        ("large", "pages", 0, 5, BYTES),
        ("large", "headers", 12, 33, BYTES),
    ]


def run(chunk: Chunk, folder: Path) -> Sequence[Figure]:
    """Damage one job in many ways, one after the other."""
    kind, what, start, step, most = str(chunk[0]), str(chunk[1]), *map(int, chunk[2:])
    job, wrong, verdicts = job_to_damage(folder, kind), list[str](), Counter[str]()
    for name, damage in islice(DAMAGES[what](job), start, start + step * most, step):
        verdict, problem = job.verdict(damage)
        verdicts[verdict] += 1
        if problem is not None:
            wrong.append(f"{chunk}: {name}: {problem}")
    figures = [Figure(NAMES[what], verdicts.total(), wrong)]
    return figures + [Figure(f"{BECAME} {verdict}", count) for verdict, count in sorted(verdicts.items())]


BECAME = "of all damaged checkpoints: the next command"
NAMES = {
    "pages": "damaged checkpoints: a page overwritten, of the database or of the log",
    "headers": "damaged checkpoints: a bit of a header",
    "bytes": "damaged checkpoints: a bit anywhere",
    "cut": "damaged checkpoints: a file cut short, or with more at its end",
    "files": "damaged checkpoints: a file missing, or another one",
}


def _write(name: str, at: int, data: bytes, job: Path) -> None:
    with (job / name).open("r+b") as file:
        file.seek(at)
        file.write(data)


def _flip(name: str, position: int, bit: int, job: Path) -> None:
    content = (job / name).read_bytes()
    _write(name, position, bytes([content[position] ^ (1 << bit)]), job)


def _files_of(job: DamagedJob) -> dict[str, bytes]:
    """The database, as far as it is the job's own, and the log."""
    found = {CHECKPOINT: job.files[CHECKPOINT][: job.size]}
    return found | {LOG: job.files[LOG]} if LOG in job.files else found


def _pages(job: DamagedJob) -> Iterator[Damage]:
    """Each page of the database and of the log, and each header of a page in the log, is overwritten."""
    for name, content in _files_of(job).items():
        first, size = (LOG_HEADER, FRAME) if name == LOG else (0, PAGE_SIZE)
        for at in range(first, len(content), size):
            whole = content[at : at + size]
            other = content[first : first + size] if at > first else content[at + size : at + 2 * size]
            fills = {
                "zeros": bytes(size),
                "ones": b"\xff" * size,
                "noise": Random(at).randbytes(size),
                "the first": other,
            }
            fills |= {"half of it zeros": whole[: size // 2] + bytes(size - size // 2)}
            for fill, data in fills.items():
                yield f"{name} from {at}: {fill}", partial(_write, name, at, data[: len(whole)])


def _headers(job: DamagedJob) -> Iterator[Damage]:
    """Each bit of the headers of the database, of the log and of progress.json; a bit of each byte of the others."""
    for name, content in _files_of(job).items():
        if name == LOG:
            spans = [(0, LOG_HEADER), *((at, FRAME_HEADER) for at in range(LOG_HEADER, len(content), FRAME))]
        else:
            spans = [(0, 108), *((at, 12) for at in range(PAGE_SIZE, len(content), PAGE_SIZE))]
        for at, size in spans:
            for position in range(at, min(at + size, len(content))):
                for bit in range(8) if not at else [position % 8]:
                    yield f"{name}, bit {bit} of byte {position}", partial(_flip, name, position, bit)
    for position in range(len(job.files[PROGRESS].rstrip())):
        for bit in range(8):
            yield f"{PROGRESS}, bit {bit} of byte {position}", partial(_flip, PROGRESS, position, bit)


def _bytes(job: DamagedJob) -> Iterator[Damage]:
    """Bits anywhere."""
    files = _files_of(job)
    for number in range(BYTES):
        draw = Random(number)
        name = draw.choice(sorted(files))
        position, bit = draw.randrange(len(files[name])), draw.randrange(8)
        yield f"{name}, bit {bit} of byte {position}", partial(_flip, name, position, bit)


def _truncate(name: str, size: int, job: Path) -> None:
    with (job / name).open("r+b") as file:
        file.truncate(size)


def _append(name: str, data: bytes, job: Path) -> None:
    with (job / name).open("ab") as file:
        file.write(data)


def _cut(job: DamagedJob) -> Iterator[Damage]:
    """The files end at any sector, and right before and after each page; or go on with something else."""
    for name, content in _files_of(job).items():
        first, size = (LOG_HEADER, FRAME) if name == LOG else (0, PAGE_SIZE)
        ends = {*range(0, len(content), 512), *range(first, len(content), size), *range(first + 1, len(content), size)}
        for end in sorted(ends):
            yield f"{name} cut to {end} bytes", partial(_truncate, name, end)
        for extra in (bytes(size), Random(1).randbytes(size), content[-size:]):
            yield f"{name} with {extra[:4]!r}… at its end", partial(_append, name, extra)


def _delete(names: Sequence[str], job: Path) -> None:
    for name in names:
        (job / name).unlink(missing_ok=True)


def _replace(content: bytes, job: Path) -> None:
    _delete([LOG], job)
    (job / CHECKPOINT).write_bytes(content)


def _of_another_program(application: int, job: Path) -> None:
    _delete([LOG, CHECKPOINT], job)
    with closing(sqlite3.connect(job / CHECKPOINT)) as db:
        db.execute("CREATE TABLE rows (row INTEGER PRIMARY KEY, state TEXT)")
        db.execute(f"PRAGMA application_id = {application}")
        db.commit()


def _of_a_newer_version(job: Path) -> None:
    with closing(sqlite3.connect(job / CHECKPOINT)) as db:
        db.execute("PRAGMA user_version = 99")


def _files(_job: DamagedJob) -> Iterator[Damage]:
    """Whole files are missing, or others."""
    for missing in ([CHECKPOINT], [LOG], [CHECKPOINT, LOG], [LOG, PROGRESS], [CHECKPOINT, LOG, PROGRESS]):
        yield f"without {missing}", partial(_delete, missing)
    yield "empty", partial(_replace, b"")
    yield "text", partial(_replace, b"id,text\n1,x\n" * 1000)
    yield "noise", partial(_replace, Random(1).randbytes(3 * PAGE_SIZE))
    yield "zeros", partial(_replace, bytes(3 * PAGE_SIZE))
    for application in (0, 12345):
        yield f"of another program ({application})", partial(_of_another_program, application)
    yield "of a newer version", _of_a_newer_version


DAMAGES: dict[str, Callable[[DamagedJob], Iterator[Damage]]] = {
    "pages": _pages,
    "headers": _headers,
    "bytes": _bytes,
    "cut": _cut,
    "files": _files,
}
