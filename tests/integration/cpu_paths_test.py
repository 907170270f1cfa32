"""What instructions the programs have: on a CPU without one of them its first use would end the process (SIGILL), and no test on another
CPU would show it. Baseline x86-64 but for the functions that are compiled for a CPU path (kernels/cpu.h says what each needs)."""

import platform
import re
import subprocess

import pytest
from cloud import BIN

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the paths are of x86-64")

VECTORS = re.compile(r"^v[a-z]|%[yz]mm|%k[0-7]")  # AVX and later
BEYOND_AVX2 = re.compile(r"%zmm|%k[0-7]|%[xy]mm(1[6-9]|2\d|3[01])\b|^vpdp|\{evex\}")
VNNI = re.compile(r"\{vex\} +vpdp(busd|wssd) ")
AVX_VNNI = re.compile(r"ackedWeightsI\w*DTypeE\d+ELb1E|MultiplyInt16Tile\w*ILb1E")
BF16 = re.compile(r"^v(dpbf16ps|cvtne2?ps2bf16)$")
# Of AVX-512's extensions those that kAvx512 does not ask for, and VNNI only in the forms that it does.
OTHER = re.compile(r"^(vperm[bit]?2?b|vpcompress[bw]|vpexpand[bw]|vpsh[lr]dv?[wdq]|vpmadd52.*|vpopcnt.*|vpshufbitqmb|vpmultishiftqb|"
                   r"vgf2p8.*|vp2intersect.*|v[a-z0-9]*(ph|sh)|vpdpb(ss|su|uu)ds?|vpdpw(us|su|uu)ds?)$")
HALVES = {"vcvtph2ps", "vcvtps2ph", "vmovsh", "vpsrlsh"}


def instructions(program):
    """(function, mnemonic, operands) of each."""
    listing = subprocess.Popen(["objdump", "-d", "--no-show-raw-insn", str(BIN / program)], stdout=subprocess.PIPE, text=True)
    function = ""
    for line in listing.stdout:
        if line.endswith(">:\n"):
            function = line
        elif "\t" in line:
            mnemonic, _, operands = line.split("\t", 1)[1].strip().partition(" ")
            yield function, mnemonic, operands
    assert listing.wait() == 0


@pytest.mark.parametrize("program", ["waferd", "waferctl"])
def test_every_instruction_is_of_its_functions_path(program):
    seen = {"N_AVX2": 0, "N_AVX3": 0}
    vnni = 0  # within AVX2's
    for function, mnemonic, operands in instructions(program):
        text = f"{mnemonic} {operands}"
        if not VECTORS.search(text):
            continue
        path = next((name for name in seen if name in function), None)
        assert path, f"{function}{text}"
        seen[path] += 1
        if path == "N_AVX2":
            assert not BEYOND_AVX2.search(text), f"{function}{text}"
            if VNNI.match(text):
                assert AVX_VNNI.search(function), f"{function}{text}"
                vnni += 1
        if BF16.match(mnemonic):  # attention of avx512-bf16
            assert re.search("MultiplyPairTile|TakePage|AttendAsILb1E", function), f"{function}{text}"
        assert mnemonic in HALVES or not OTHER.match(mnemonic), f"{function}{text}"
    assert min(seen.values()) > 1000 and vnni > 1000, (seen, vnni)
