//! What the `sev` crate says of reports, and how long it takes.
//!
//! `sev-judge verify REPORT VEK ASK ARK` prints `accepted` or `refused`; `sev-judge time ROUNDS REPORT VEK
//! ASK ARK` prints medians in nanoseconds. Certificates are in DER.

use sev::certs::snp::{Certificate, Chain, Verifiable, ca};
use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser;
use std::hint::black_box;
use std::process::exit;
use std::time::{Duration, Instant};

struct Files {
    report: Vec<u8>,
    vek: Vec<u8>,
    ask: Vec<u8>,
    ark: Vec<u8>,
}

impl Files {
    fn read(paths: &[String]) -> Self {
        let [report, vek, ask, ark] = paths else {
            eprintln!("wants REPORT VEK ASK ARK");
            exit(2);
        };
        let read = |path: &String| {
            std::fs::read(path).unwrap_or_else(|error| {
                eprintln!("{path}: {error}");
                exit(2);
            })
        };
        Self { report: read(report), vek: read(vek), ask: read(ask), ark: read(ark) }
    }

    fn chain(&self) -> std::io::Result<Chain> {
        let ca = ca::Chain {
            ark: Certificate::from_der(&self.ark)?,
            ask: Certificate::from_der(&self.ask)?,
        };
        Ok(Chain { ca, vek: Certificate::from_der(&self.vek)? })
    }

    fn whole(&self) -> std::io::Result<()> {
        let report = AttestationReport::from_bytes(&self.report)?;
        (&self.chain()?, &report).verify()
    }

    fn report_alone(&self, chain: &Chain) -> std::io::Result<()> {
        let report = AttestationReport::from_bytes(&self.report)?;
        (&chain.vek, &report).verify()
    }
}

/// The median of so many rounds.
fn median(rounds: usize, mut verify: impl FnMut() -> std::io::Result<()>) -> Duration {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            black_box(verify()).expect("it is accepted");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[rounds / 2]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((verb, files)) if verb == "verify" => match Files::read(files).whole() {
            Ok(()) => println!("accepted"),
            Err(error) => println!("refused: {error}"),
        },
        Some((verb, [rounds, files @ ..])) if verb == "time" => {
            let files = Files::read(files);
            let rounds = rounds.parse().expect("a number of rounds");
            let chain = files.chain().expect("certificates");
            println!("whole {}", median(rounds, || files.whole()).as_nanos());
            println!("report {}", median(rounds, || files.report_alone(&chain)).as_nanos());
        }
        _ => {
            eprintln!("usage: sev-judge verify FILES | sev-judge time ROUNDS FILES");
            exit(2);
        }
    }
}
