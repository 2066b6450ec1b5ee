"""Whether dliflow's latencies are those that others report for the same thing. Prints ratios dliflow / other.

    PYTHONPATH=workflow .venv/bin/python benchmarks/truth.py STUDY

A finished study left models, images and records in its folder. In the frameworks' environments OpenVINO's
benchmark_app, PyTorch's Timer and MLPerf's LoadGen measure by turns with dliflow, all in one run of about seven
minutes; `against_*.py` tell how, and what each of them times otherwise. An interval is that of the median of the
rounds' ratios, which moments of a stalled machine do not move.
"""

from __future__ import annotations

import importlib
import signal
import sys

import finished
from checks import interval, ratio

CHECKS = ("benchmark_app", "torch_timer", "loadgen")


def main() -> None:
    """Run the checks one after another."""
    parser = finished.parser(__doc__)
    parser.add_argument("--checks", nargs="+", choices=CHECKS, default=CHECKS)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=12, help="processes of benchmark_app, and of dliflow beside them")
    parser.add_argument("--rounds", type=int, default=60, help="of short bursts inside a process")
    args = parser.parse_args()
    finished.enter(args.study)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # what was started must not stay behind, stopped
    for name in args.checks:
        check = importlib.import_module(f"against_{name}")
        print(f"{check.__doc__.splitlines()[0].removesuffix(' See truth.py.')}", flush=True)
        for title, sides in check.compare(args.model, args.batch_size, args.pairs, args.rounds).items():
            print(f"  {title}")
            for side, figures in sides.items():
                print(f"    {side:18} ms  {interval(figures)}")
            ours, theirs = sides.values()
            print(f"    ratio                  {ratio(ours, theirs)}", flush=True)


if __name__ == "__main__":
    main()
