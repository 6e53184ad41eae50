"""A short run of the fuzzer; ``make fuzz`` runs it for an hour.

PALATE_FUZZ_SECONDS is the time for each target: 2 by default, 20 for two minutes in all. Cases have numbers, and begin
at 0 here, so that every run of this test tries the same ones, as far as the time suffices. The time of the start does not count.
"""

import os
import sys

import pytest

from fuzz.run import TARGETS, fuzz

SECONDS = float(os.environ.get("PALATE_FUZZ_SECONDS", "2"))


@pytest.mark.skipif(sys.platform == "win32", reason="the watcher waits for pipes by select")
@pytest.mark.parametrize("target", TARGETS)
def test_no_input_leads_to_anything_but_an_answer_or_an_error_of_palate(target):
    outcome = fuzz(target, SECONDS)
    assert outcome.cases > 0
    assert not outcome.findings, "\n".join(
        f"python tests/fuzz/run.py {target} {number}\n{finding}" for number, finding in outcome.findings.items()
    )
