//! What the kernel's interfaces give back, as values: bytes in, no files. A kernel is believed here as little as
//! anybody else; fuzz/ tries these readers.

use crate::certificates::Certificates;
use crate::error::SnpError;
use crate::guest::{DerivedKey, SignedReport};
use attestation::snp::{REPORT_BYTES, Report};

/// The name of the technology that answers: attribute `provider` of configfs-tsm. One line of visible letters.
pub fn provider(bytes: &[u8]) -> Result<&str, SnpError> {
    let wrong = || SnpError::nonsense("provider", "it is no name");
    let line = line(bytes).filter(|line| !line.is_empty()).ok_or_else(wrong)?;
    if line.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(line) } else { Err(wrong()) }
}

/// How often a request was changed: attribute `generation`. A number in its one form.
pub fn generation(bytes: &[u8]) -> Result<u64, SnpError> {
    let number =
        line(bytes).and_then(|line| line.parse().ok().filter(|n: &u64| n.to_string() == line));
    number.ok_or_else(|| SnpError::nonsense("generation", "it is no number"))
}

/// A line, with its end or without.
fn line(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes.strip_suffix(b"\n").unwrap_or(bytes)).ok()
}

/// The report that answers a request, and the certificates that the host left beside it: attributes `outblob` and
/// `auxblob`.
pub fn signed_report(
    report: Vec<u8>,
    table: &[u8],
    data: &[u8; 64],
    vmpl: u32,
) -> Result<SignedReport, SnpError> {
    check_report(&report, data, vmpl)?;
    let certificates = Certificates::from_table(table)
        .map_err(|error| SnpError::nonsense("the table of certificates", error.to_string()))?;
    Ok(SignedReport { report, certificates })
}

/// Whether a report answers the request: the data and the level are ours.
pub fn check_report(report: &[u8], data: &[u8; 64], vmpl: u32) -> Result<(), SnpError> {
    let wrong = |reason: &str| SnpError::nonsense("the report", reason);
    let report = Report::from_bytes(report)
        .map_err(|_| wrong(&format!("it has {} bytes, not {REPORT_BYTES}", report.len())))?;
    if report.report_data() != *data {
        return Err(wrong("it has other data than was given"));
    }
    if report.vmpl() != vmpl {
        return Err(wrong("it is for another privilege level"));
    }
    Ok(())
}

/// The key out of snp_derived_key_resp: status, reserved, and the key from byte 32 on.
pub fn derived_key(response: &[u8; 64]) -> Result<DerivedKey, SnpError> {
    let [a, b, c, d, ..] = *response;
    let status = u32::from_le_bytes([a, b, c, d]);
    if status != 0 {
        let reason = format!("status {status:#x}");
        return Err(SnpError::Refused { what: "a derived key", reason });
    }
    let mut key = [0; 32];
    key.copy_from_slice(&response[32..]);
    if key == [0; 32] {
        return Err(SnpError::nonsense("the key", "it is zero"));
    }
    Ok(DerivedKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_one_form() {
        for bytes in [&b"sev_guest\n"[..], b"sev_guest"] {
            assert_eq!(provider(bytes).unwrap(), "sev_guest");
        }
        for wrong in [&b""[..], b"\n", b"sev guest\n", b"sev_guest\n\n", b"\xff\n", b"sev\0\n"] {
            assert!(provider(wrong).is_err(), "{wrong:?}");
        }
        for (bytes, number) in
            [(&b"0\n"[..], 0), (b"17", 17), (b"18446744073709551615\n", u64::MAX)]
        {
            assert_eq!(generation(bytes).unwrap(), number);
        }
        for wrong in [&b""[..], b"\n", b"+1\n", b"01\n", b" 1\n", b"1\n\n", b"18446744073709551616"]
        {
            assert!(generation(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn reports_must_answer_the_request() {
        let mut report = vec![0; REPORT_BYTES];
        report[0x50..0x90].fill(7);
        report[0x30] = 2;
        let check = |report: &[u8], data: u8, vmpl| {
            signed_report(report.to_vec(), &[], &[data; 64], vmpl)
                .map_err(|error| error.to_string())
        };
        assert_eq!(check(&report, 7, 2).unwrap().certificates, None);
        assert!(check(&report, 8, 2).unwrap_err().contains("other data"));
        assert!(check(&report, 7, 1).unwrap_err().contains("another privilege"));
        assert!(check(&report[1..], 7, 2).unwrap_err().contains("1183 bytes"));
        let error = signed_report(report, &[7], &[7; 64], 2).unwrap_err();
        assert!(error.to_string().contains("table of certificates"), "{error}");
    }

    #[test]
    fn responses_are_read() {
        let mut response = [0; 64];
        let error = |response: &[u8; 64]| derived_key(response).map(drop).unwrap_err().to_string();
        assert!(error(&response).contains("it is zero"));
        response[32..].fill(7);
        assert_eq!(*derived_key(&response).unwrap().expose(), [7; 32]);
        response[0] = 0x16;
        assert!(error(&response).contains("status 0x16"));
    }
}
