#!/usr/bin/env python3
"""Our verdicts and times beside those of others, on the same inputs; README.md says how to run it.

Usage: compare.py PLINTH SEV_JUDGE VERIFY_COST

PLINTH is our command, SEV_JUDGE the program of sev/, VERIFY_COST the example of that name. Prints three
tables in Markdown: verdicts on quotes, verdicts on reports of SEV-SNP, times. Exit code 1 if another
verifier accepts what ours refuses without a reason that is listed here, or refuses what ours accepts.
"""

import json
import logging
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

logging.disable(logging.CRITICAL)

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from keylime.tpm import tpm_util

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
ROOTS = Path(__file__).resolve().parent.parent / "roots"
NONCE = b"\x07" * 32
SELECTION = [0, 4, 7, 11]
ROUNDS = 300

# Offsets in the messages of our vectors (TPMS_ATTEST).
TYPE_AT, SIGNER_AT, NONCE_AT, SELECTION_AT = 4, 6, 44, 101

# Why others accept what we refuse.
REASONS = {
    "certify instead of quote": "the type of the message is not looked at",
    "another magic": "whether a TPM made the message is not looked at",
    "PCR 4 not selected": "which PCRs must be there is left to the caller",
    "key may sign anything": "attributes are not in a PEM; without them a program could have signed",
    "bytes after the message": "what follows the last field is not looked at",
    "bytes after the signature": "what follows the signature is not looked at",
    "value of a PCR that is not quoted": "further values are not looked at",
}


def command(*words):
    """Runs a program; its exit code and what it printed."""
    done = subprocess.run([str(word) for word in words], capture_output=True, check=False)
    return done.returncode, done.stdout


# --- quotes ------------------------------------------------------------------------------------


class Quote:
    """One quote with its key in both forms."""

    def __init__(self, name, public, message, signature, values, nonce=NONCE):
        self.name, self.public, self.nonce = name, public, nonce
        self.message, self.signature, self.values = message, signature, values

    def changed(self, name, **parts):
        own = {key: value for key, value in vars(self).items() if key != "name"}
        return Quote(name, **{**own, **parts})


def key_of(public):
    """The key of a TPMT_PUBLIC of our vectors."""
    if struct.unpack_from(">H", public)[0] == 1:
        (length,) = struct.unpack_from(">H", public, len(public) - 258)
        modulus = int.from_bytes(public[-length:], "big")
        return rsa.RSAPublicNumbers(65537, modulus).public_key()
    x, y = public[-66:-34], public[-32:]
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1()
    )
    return numbers.public_key()


def pem(public):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key_of(public).public_bytes(serialization.Encoding.PEM, form)


def pcr_file(values, selection):
    """PCR values as tpm2-tools writes them, which Keylime reads too."""
    bits = bytearray(4)
    for index in selection:
        bits[index // 8] |= 1 << index % 8
    chosen = struct.pack("<I", 1) + struct.pack("<HB", 0x0B, 3) + bytes(bits) + b"\0"
    chosen = chosen.ljust(4 + 16 * 8, b"\0")
    digests = [values[at : at + 32] for at in range(0, len(values), 32)]
    lists = b""
    for start in range(0, len(digests), 8):
        part = digests[start : start + 8]
        body = b"".join(struct.pack("<H", 32) + digest.ljust(64, b"\0") for digest in part)
        lists += struct.pack("<I", len(part)) + body.ljust(8 * 66, b"\0")
    count = (len(digests) + 7) // 8
    return chosen + struct.pack("<I", count) + lists


def sign(key, message):
    """TPMT_SIGNATURE of a program that has its own P-256 key."""
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    part = lambda number: struct.pack(">H", 32) + number.to_bytes(32, "big")
    return struct.pack(">HH", 0x18, 0x0B) + part(r) + part(s)


def quotes():
    read = lambda name: (VECTORS / "tpm-swtpm" / name).read_bytes()
    real = {
        kind: Quote(
            f"a TPM's, {kind}",
            read(f"ak_{kind}.pub"),
            read(f"quote_{kind}.msg"),
            read(f"quote_{kind}.sig"),
            read(f"quote_{kind}.pcrs"),
        )
        for kind in ("rsa", "ecc")
    }
    flip = lambda data, at: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    yield from real.values()
    for kind, one in real.items():
        yield one.changed(f"another nonce, {kind}", nonce=b"\x08" * 32)
        yield one.changed(f"a flipped PCR value, {kind}", values=flip(one.values, 40))
        yield one.changed(f"a flipped message, {kind}", message=flip(one.message, NONCE_AT + 40))
        yield one.changed(f"a flipped signature, {kind}", signature=flip(one.signature, 20))
    yield real["ecc"].changed("another TPM's key", public=real["rsa"].public)
    yield real["ecc"].changed(
        "bytes after the signature", signature=real["ecc"].signature + b"\0\0"
    )
    # What a program with a key of its own can sign: a key that is not restricted to what a TPM made.
    own = ec.generate_private_key(ec.SECP256R1())
    numbers = own.public_key().public_numbers()
    point = b"".join(
        struct.pack(">H", 32) + number.to_bytes(32, "big") for number in (numbers.x, numbers.y)
    )
    public = real["ecc"].public[: -len(point)] + point
    attributes = struct.unpack_from(">I", public, 4)[0] & ~(1 << 16)
    unrestricted = public[:4] + struct.pack(">I", attributes) + public[8:]
    forged = lambda name, message, public=public, **parts: real["ecc"].changed(
        name, public=public, message=message, signature=sign(own, message), **parts
    )
    message = real["ecc"].message
    yield forged("key may sign anything", message, public=unrestricted)
    yield forged("another magic", b"\xfe" + message[1:])
    certify = message[:TYPE_AT] + b"\x80\x17" + message[TYPE_AT + 2 :]
    yield forged("certify instead of quote", certify)
    yield forged("bytes after the message", message + b"\0")
    # A quote of PCR 0, 7 and 11 alone, honest but for what is missing.
    kept = [at for at, index in enumerate(SELECTION) if index != 4]
    values = b"".join(real["ecc"].values[32 * at : 32 * at + 32] for at in kept)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(values)
    fewer = message[: SELECTION_AT + 7] + bytes([message[SELECTION_AT + 7] & ~(1 << 4)])
    fewer += message[SELECTION_AT + 8 : -32] + digest.finalize()
    yield forged("PCR 4 not selected", fewer, values=values)


def selection_in(quote):
    """What the message says that it selects, for the file of PCR values."""
    at = SELECTION_AT + 7
    bits = int.from_bytes(quote.message[at : at + 3], "little")
    return [index for index in range(24) if bits >> index & 1]


def judge_quote(plinth, folder, quote):
    files = {
        "ak": quote.public,
        "ak.pem": pem(quote.public),
        "message": quote.message,
        "signature": quote.signature,
        "values": quote.values,
        "values.tools": pcr_file(quote.values, selection_in(quote)),
    }
    path = {name: folder / name for name in files}
    for name, content in files.items():
        path[name].write_bytes(content)
    code, out = command(
        plinth, "attest", "check-quote", "--ak", path["ak"], "--message", path["message"],
        "--signature", path["signature"], "--pcrs", path["values"], "--bank", "sha256",
        "--selection", ",".join(map(str, SELECTION)), "--nonce", quote.nonce.hex(), "--json",
    )  # fmt: skip
    ours = (code == 0, ", ".join(json.loads(out)["failed"]))
    tools, _ = command(
        "tpm2_checkquote", "-u", path["ak.pem"], "-m", path["message"], "-s", path["signature"],
        "-f", path["values.tools"], "-g", "sha256", "-q", quote.nonce.hex(),
    )  # fmt: skip
    try:
        keylime(quote, files["ak.pem"], files["values.tools"])
        other = True
    except Exception:  # Keylime raises whatever its parts raise.
        other = False
    return ours, tools == 0, other


def keylime(quote, key, values):
    nonce = quote.nonce.decode("latin-1")
    return tpm_util.checkquote(key, nonce, quote.signature, quote.message, values, "sha256")


# --- reports -----------------------------------------------------------------------------------


def certificate_files(folder, name):
    """ASK and ARK of a file of AMD's, as DER files."""
    from cryptography import x509

    found = x509.load_pem_x509_certificates((ROOTS / "amd" / f"{name}.pem").read_bytes())
    paths = []
    for which, certificate in zip(("ask", "ark"), found):
        path = folder / f"{name}.{which}.der"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.DER))
        paths.append(path)
    return paths


def reports(folder):
    """Name, files, further arguments for ours."""
    real, sim = VECTORS / "snp-real", VECTORS / "snp-sim"
    for name, vek, chain, at in (
        ("milan_v2_a", "milan_v2_a.vcek", "milan-vcek", "2024-01-01T00:00:00Z"),
        ("azure_milan_v3", "azure_milan_v3.vcek", "milan-vcek", "2025-08-01T00:00:00Z"),
        ("milan_v3_vlek", "milan_v3_vlek.vlek", "milan-vlek", "2025-06-01T00:00:00Z"),
        ("milan_v2_debugpolicy", "milan_v2_debugpolicy.vcek", "milan-vcek", "2024-01-01T00:00:00Z"),
    ):
        files = [real / f"{name}.report.bin", real / f"{vek}.der"]
        yield name, files + certificate_files(folder, chain), ["--at", at, "--allow-vlek"]
    manifest = json.loads((sim / "manifest.json").read_text())
    minimum = ",".join(f"{part}={value}" for part, value in manifest["min_tcb"].items())
    for case in manifest["cases"]:
        prefix = "evil_" if case["chain"] == "evil" else ""
        files = [sim / case["report"], sim / case["vek"]]
        files += [sim / f"{prefix}ask.der", sim / f"{prefix}ark.der"]
        rules = ["--at", "2026-06-01T00:00:00Z", "--allow-vlek", "--vmpl", "0"]
        rules += ["--measurement", manifest["allowed_measurement"], "--min-tcb", minimum]
        rules += ["--report-data", manifest["expected_report_data"]]
        yield case["name"], files, rules + ([] if prefix else ["--trust-ark"])


def judge_report(plinth, sev, files, rules):
    names = ("--report", "--vek", "--ask", "--ark")
    pairs = [word for pair in zip(names, files) for word in pair]
    code, out = command(plinth, "attest", "check-snp", *pairs, *rules, "--json")
    _, said = command(sev, "verify", *files)
    return (code == 0, ", ".join(json.loads(out)["failed"])), said.startswith(b"accepted")


# --- times -------------------------------------------------------------------------------------


def median_us(work):
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1000


def our_times(verify_cost):
    """Medians in microseconds by name."""
    _, out = command(verify_cost)
    units = {"ns": 1e-3, "µs": 1.0, "ms": 1e3}
    times = {}
    for line in out.decode().splitlines():
        name, rest = line.split(": median ")
        text = rest.split(",")[0]
        unit = next(unit for unit in units if text.endswith(unit))
        times[name] = float(text.removesuffix(unit)) * units[unit]
    return times


def print_times(verify_cost, sev, folder):
    ours = our_times(verify_cost)
    rows = []
    for quote, name in zip(quotes(), ("RSA", "P-256")):
        key, values = pem(quote.public), pcr_file(quote.values, SELECTION)
        theirs = median_us(lambda: keylime(quote, key, values))
        rows.append((f"quote {name}", ours[f"quote {name}"], "Keylime checkquote", theirs))
    _, files, _ = next(reports(folder))
    _, out = command(sev, "time", ROUNDS, *files)
    theirs = {line.split()[0]: int(line.split()[1]) / 1000 for line in out.decode().splitlines()}
    pairs = (("report by a kept chain", "report"), ("report and whole chain", "whole"))
    for name, key in pairs:
        rows.append((name, ours[name], f"sev, {key}", theirs[key]))
    print("| what | ours, us | other | other, us | ratio |\n| --- | ---: | --- | ---: | ---: |")
    for name, own, other, took in rows:
        print(f"| {name} | {own:.0f} | {other} | {took:.0f} | {took / own:.1f} |")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    plinth, sev, verify_cost = sys.argv[1:]
    word = lambda accepted: "accepts" if accepted else "refuses"
    unexplained = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        print("| quote | ours | tpm2_checkquote | Keylime | why they differ |\n" + "| --- " * 5 + "|")
        for quote in quotes():
            (ours, failed), tools, other = judge_quote(plinth, folder, quote)
            differs = tools != ours or other != ours
            reason = REASONS.get(quote.name, "?") if differs else ""
            if reason == "?":
                unexplained.append(quote.name)
            own = word(ours) + (f": {failed}" if failed else "")
            print(f"| {quote.name} | {own} | {word(tools)} | {word(other)} | {reason} |")
        print("\n| report | ours | sev crate |\n" + "| --- " * 3 + "|")
        for name, files, rules in reports(folder):
            (ours, failed), other = judge_report(plinth, sev, files, rules)
            if ours and not other:
                unexplained.append(name)
            own = word(ours) + (f": {failed}" if failed else "")
            print(f"| {name} | {own} | {word(other)} |")
        print()
        print_times(verify_cost, sev, folder)
    if unexplained:
        sys.exit(f"not explained: {', '.join(unexplained)}")


if __name__ == "__main__":
    main()
