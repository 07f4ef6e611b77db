//! Derived keys through `/dev/sev-guest`: include/uapi/linux/sev-guest.h of the kernel.

use crate::attributes;
use crate::error::SnpError;
use crate::guest::{DerivedKey, Fields, KeyRequest};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroize as _;

/// Where the kernel has it.
pub const SEV_GUEST: &str = "/dev/sev-guest";

const HINT: &str = "a guest of SEV-SNP needs CONFIG_SEV_GUEST, and root";

/// Version of the message. Version 2 adds mitigations, which the kernel does not hand on.
const MESSAGE_VERSION: u8 = 1;

/// snp_derived_key_req.
#[repr(C)]
struct RawRequest {
    root_key_select: u32,
    reserved: u32,
    guest_field_select: u64,
    vmpl: u32,
    guest_svn: u32,
    tcb_version: u64,
}

/// snp_derived_key_resp: status, reserved, and the key from byte 32 on.
#[repr(C)]
struct RawResponse {
    data: [u8; 64],
}

/// snp_guest_request_ioctl.
#[repr(C)]
pub struct RawCall {
    message_version: u8,
    request: u64,
    response: u64,
    /// The firmware's error in the lower half, the host's in the upper one.
    errors: u64,
}

nix::ioctl_readwrite!(
    /// SNP_GET_DERIVED_KEY.
    snp_get_derived_key,
    b'S',
    1,
    RawCall
);

pub struct SevGuestDevice {
    path: PathBuf,
}

impl SevGuestDevice {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub fn derived_key(&self, request: &KeyRequest) -> Result<DerivedKey, SnpError> {
        if request.fields.has(Fields::LAUNCH_MITIGATIONS) {
            return Err(SnpError::NoMitigations);
        }
        let failed = |action, source| SnpError::Kernel {
            action,
            path: self.path.clone(),
            hint: HINT,
            source,
        };
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.path)
            .map_err(|source| failed("open", source))?;
        let mut raw = RawRequest {
            root_key_select: 0,
            reserved: 0,
            guest_field_select: request.fields.0,
            vmpl: request.vmpl,
            guest_svn: request.guest_svn,
            tcb_version: u64::from_le_bytes(request.tcb),
        };
        let mut response = RawResponse { data: [0; 64] };
        let (called, errors) = call(&device, &mut raw, &mut response);
        let outcome = match called {
            Err(source) if errors == 0 => Err(failed("ask", source)),
            Err(_) => Err(refused(errors)),
            Ok(()) => attributes::derived_key(&response.data),
        };
        response.data.zeroize();
        outcome
    }
}

fn refused(errors: u64) -> SnpError {
    let (host, firmware) = (errors >> 32, errors & 0xffff_ffff);
    let reason = format!("error {firmware:#x} of the firmware, {host:#x} of the host");
    SnpError::Refused { what: "a derived key", reason }
}

/// Asks the kernel; gives the errors of firmware and host beside the outcome.
fn call(
    device: &File,
    request: &mut RawRequest,
    response: &mut RawResponse,
) -> (io::Result<()>, u64) {
    use std::os::fd::AsRawFd as _;
    let mut call = RawCall {
        message_version: MESSAGE_VERSION,
        request: std::ptr::from_mut(request) as u64,
        response: std::ptr::from_mut(response) as u64,
        errors: 0,
    };
    // SAFETY: the descriptor is open while `device` is borrowed. The kernel reads and writes `call`, reads
    // the 32 bytes of `request` and writes the 64 of `response`: all three are borrowed exclusively until the
    // call has returned, and have the layout of the kernel's header (a test compares sizes and offsets).
    // There is no safe interface to a device's own requests.
    let called = unsafe { snp_get_derived_key(device.as_raw_fd(), &raw mut call) };
    (called.map(drop).map_err(io::Error::from), call.errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn structures_are_those_of_the_kernel() {
        assert_eq!(size_of::<RawRequest>(), 32);
        assert_eq!(offset_of!(RawRequest, guest_field_select), 8);
        assert_eq!(offset_of!(RawRequest, vmpl), 16);
        assert_eq!(offset_of!(RawRequest, guest_svn), 20);
        assert_eq!(offset_of!(RawRequest, tcb_version), 24);
        assert_eq!(size_of::<RawResponse>(), 64);
        assert_eq!(size_of::<RawCall>(), 32);
        assert_eq!(offset_of!(RawCall, request), 8);
        assert_eq!(offset_of!(RawCall, response), 16);
        assert_eq!(offset_of!(RawCall, errors), 24);
    }

    #[test]
    fn errors_of_both_sides_are_told() {
        assert!(
            refused(0x1_0000_0016).to_string().contains("error 0x16 of the firmware, 0x1 of the")
        );
    }

    /// A file that is no device, and none at all: an error that says what to do.
    #[test]
    fn without_the_device_there_is_an_error() {
        let request = KeyRequest {
            fields: Fields::POLICY,
            vmpl: 0,
            guest_svn: 0,
            tcb: [0; 8],
            launch_mitigations: 0,
        };
        let ask = |path: &str, request: &KeyRequest| {
            SevGuestDevice::new(Path::new(path)).derived_key(request).map(|_| ()).unwrap_err()
        };
        let error = ask("/nonexistent/sev-guest", &request);
        assert!(error.to_string().contains("CONFIG_SEV_GUEST"), "{error}");
        let error = ask("/dev/null", &request);
        assert!(matches!(error, SnpError::Kernel { action: "ask", .. }), "{error}");
        let fields = Fields::LAUNCH_MITIGATIONS;
        let error = ask("/dev/null", &KeyRequest { fields, ..request });
        assert!(matches!(error, SnpError::NoMitigations), "{error}");
    }
}
