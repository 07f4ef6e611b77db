//! What a guest reads of its security processor: attributes of the kernel, the table of the host, messages of a
//! simulated one.

use attestation::snp::REPORT_BYTES;
use os_kit_snp::wire::{Answer, Request, receive, send};
use os_kit_snp::{Certificates, SnpAddress, attributes};

/// Attributes, tables of certificates, messages and addresses of a security processor.
pub fn snp_guest(data: &[u8]) {
    texts(data);
    if let Ok(request) = Request::decode(data) {
        assert_eq!(request.encode(), data);
    }
    if let Ok(answer) = Answer::decode(data) {
        assert_eq!(answer.encode(), data);
    }
    if let Ok(content) = receive(&mut &data[..]) {
        let mut sent = Vec::new();
        send(&mut sent, &content).expect("it is as long as was received");
        assert!(data.starts_with(&sent));
    }
    if let Some((response, _)) = data.split_first_chunk()
        && let Ok(key) = attributes::derived_key(response)
    {
        assert_eq!(key.expose(), &response[32..]);
    }
    table(data);
    report(data);
}

fn texts(data: &[u8]) {
    let line = data.strip_suffix(b"\n").unwrap_or(data);
    if let Ok(provider) = attributes::provider(data) {
        assert_eq!(provider.as_bytes(), line);
    }
    if let Ok(generation) = attributes::generation(data) {
        assert_eq!(generation.to_string().as_bytes(), line);
    }
    let address = std::str::from_utf8(data).ok().and_then(|text| text.parse().ok());
    if let Some(SnpAddress::Unix(path)) = address {
        assert!(path.is_absolute());
    }
}

/// A table has nothing but what stands in it.
fn table(data: &[u8]) {
    let Ok(Some(Certificates { vek, ask, ark })) = Certificates::from_table(data) else { return };
    for certificate in [vek, ask, ark] {
        assert!(data.windows(certificate.len()).any(|part| part == certificate));
    }
}

/// A report, and the table beside it: it answers the request that it names, and no other.
fn report(data: &[u8]) {
    let Some((report, table)) = data.split_at_checked(REPORT_BYTES) else { return };
    let field = |at: usize, bytes: usize| &report[at..at + bytes];
    let vmpl = u32::from_le_bytes(field(0x30, 4).try_into().expect("four bytes"));
    let mut asked: [u8; 64] = field(0x50, 64).try_into().expect("64 bytes");
    if let Ok(signed) = attributes::signed_report(report.to_vec(), table, &asked, vmpl) {
        assert_eq!(signed.report, report);
        assert_eq!(Ok(signed.certificates), Certificates::from_table(table));
    }
    let other = vmpl.wrapping_add(1);
    assert!(attributes::signed_report(report.to_vec(), table, &asked, other).is_err());
    asked[0] ^= 1;
    assert!(attributes::signed_report(report.to_vec(), table, &asked, vmpl).is_err());
}
