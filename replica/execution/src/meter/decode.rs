//! Modules may come compressed with gzip.

use std::borrow::Cow;
use std::io::Read;

use super::ModuleError;

const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// The module itself: decompressed if it begins like a gzip stream, and not larger than allowed.
pub fn decode(bytes: &[u8], bytes_max: u64) -> Result<Cow<'_, [u8]>, ModuleError> {
    let module = if bytes.starts_with(&GZIP_MAGIC) {
        Cow::Owned(inflate(bytes, bytes_max)?)
    } else {
        Cow::Borrowed(bytes)
    };
    if module.len() as u64 > bytes_max {
        return Err(ModuleError::TooLarge { limit: bytes_max });
    }
    Ok(module)
}

fn inflate(bytes: &[u8], bytes_max: u64) -> Result<Vec<u8>, ModuleError> {
    let mut module = Vec::new();
    // One byte more than allowed tells a module that is too large from one that just fits.
    let mut stream = flate2::read::GzDecoder::new(bytes).take(bytes_max.saturating_add(1));
    stream.read_to_end(&mut module).map_err(|error| ModuleError::Gzip(error.to_string()))?;
    Ok(module)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn both_forms_are_read() {
        assert_eq!(decode(b"\0asm", 4).unwrap(), &b"\0asm"[..]);
        assert_eq!(decode(&gzip(b"\0asm"), 4).unwrap(), &b"\0asm"[..]);
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 1 << 20]);
        assert!(matches!(decode(&bomb, 1000), Err(ModuleError::TooLarge { limit: 1000 })));
        assert!(matches!(decode(&[0; 5], 4), Err(ModuleError::TooLarge { limit: 4 })));
    }

    #[test]
    fn a_cut_stream_is_an_error() {
        let whole = gzip(b"some bytes to be cut");
        assert!(matches!(decode(&whole[..whole.len() - 9], 100), Err(ModuleError::Gzip(_))));
    }
}
