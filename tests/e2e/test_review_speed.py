"""Twenty thousand files: under eight seconds of two cores, under 500 MB, and the same bytes again.

A shared machine has no steady clock, so the processor time of all processes is held to the 16 seconds that two cores
have in eight; the wall clock is printed for whoever runs it alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

FILES = 20_000
BODY = "".join(
    f"  method{i}(a: number, b: string): string {{ const v = a + {i}; return `${{b}}-${{v}}`; }}\n" for i in range(30)
)
PYTHON = "import os\n\n" + "".join(f"def f{i}(a, b):\n    return a + b * {i}\n\n\n" for i in range(50))


def write(root: Path) -> None:
    for number in range(FILES):
        folder = root / f"package{number % 200}" / f"part{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        kind = number % 40
        if kind < 18:
            (folder / f"c{number}.ts").write_text(f'import {{ h }} from "./h";\nexport class C{number} {{\n{BODY}}}\n')
        elif kind < 19:
            (folder / f"s{number}.ts").write_text(
                'import { S3Client, PutObjectCommand } from "@aws-sdk/client-s3";\nconst c = new S3Client({});\n'
                'export const put = (k: string) => c.send(new PutObjectCommand({ Bucket: "b", Key: k }));\n'
            )
        elif kind < 30:
            (folder / f"m{number}.py").write_text(PYTHON)
        elif kind < 31:
            (folder / f"q{number}.py").write_text('import boto3\n\nclient = boto3.client("sqs")\n' + PYTHON)
        elif kind < 32:
            (folder / f"r{number}.tf").write_text('resource "aws_sqs_queue" "q" {\n  name = "q-${var.env}"\n}\n' * 4)
        elif kind < 36:
            (folder / f"d{number}.md").write_text(
                "# Title\n\nWords about Redis.\n" + "lorem ipsum dolor sit amet\n" * 100
            )
        else:
            (folder / f"v{number}.json").write_text(json.dumps({"values": list(range(200))}))


def test_twenty_thousand_files_within_the_time_and_memory_promised(tmp_path: Path):
    write(tmp_path)
    program = (
        "import sys, pathlib, resource, os\n"
        "from lockhouse.review.review import review\n"
        "from lockhouse.review.reports import as_json\n"
        "sys.stdout.write(as_json.render(review(pathlib.Path(sys.argv[1]))))\n"
        "me, them = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "sys.stderr.write(f'{me.ru_utime + me.ru_stime + them.ru_utime + them.ru_stime} {max(me.ru_maxrss, them.ru_maxrss)}')\n"
    )
    cores = set(sorted(os.sched_getaffinity(0))[:2])
    digests = []
    seconds, kilobytes = 0.0, 0
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=240, check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )  # fmt: skip
        digests.append(hashlib.sha256(done.stdout.encode()).hexdigest())
        used, memory = done.stderr.split()
        seconds, kilobytes = min(seconds or float(used), float(used)), max(kilobytes, int(memory))
    print(f"{FILES} files: {seconds:.1f} s of processor time, {kilobytes // 1024} MB")
    assert digests[0] == digests[1]
    assert seconds < 16
    assert kilobytes < 500 * 1024
    assert json.loads(done.stdout)["searched"]["files"] == FILES
